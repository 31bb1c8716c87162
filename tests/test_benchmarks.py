"""The code of benchmarks/ that needs no peer: counting, judging, the table, memory and the profile."""

import cProfile
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import subjects, table
from benchmarks.compress_nets import adaptive, rounded
from benchmarks.duel import Duel, Row, Side, adversarial, distance, median, run_duel
from benchmarks.gpu import Check, Outcome, compare, run
from benchmarks.knobs import describe_change, thin
from benchmarks.patch_peers import Ours, is_fooled
from benchmarks.shares import PARTS, shares
from benchmarks.subjects import Subject
from benchmarks.timing import peak_bytes
from robust.attacks import PGD, LpThreat, assail
from robust.attacks.task import Counted
from robust.data.dataset import Samples
from tests.attacks.models import inputs, network

BALL = LpThreat("linf", Fraction(1, 10))


@pytest.fixture
def on():
    model, x = network(dtype=torch.float32), inputs(dtype=torch.float32)
    y = model(x).argmax(1)
    return Subject.of("toy", model, x, torch.cat((y[:-10], (y[-10:] + 1) % 10)))


def lazy(model, x, y):
    """A peer that asks for one gradient and does nothing."""
    leaf = x.clone().requires_grad_()
    torch.autograd.grad(model(leaf).sum(), leaf)
    return x


def far(model, x, y):
    """A peer that leaves the ball and the box."""
    return x + torch.sign(torch.arange(x[0].numel()) % 2 - 0.5).view_as(x[0]) * 5


def test_only_what_is_answered_right_is_attacked(on):
    assert on.n == 50
    assert len(on.x) == len(on.y) == 40


def test_both_sides_are_counted_and_judged_alike(on):
    row = run_duel(Duel("PGD", BALL, "pgd:steps=5", "lazy", lazy, 50), on, 0)

    assert row.theirs.figure == 80.0
    assert (row.theirs.forwards, row.theirs.backwards) == (1, 1)
    assert row.ours.figure < 80.0
    assert 0 < row.ours.backwards <= row.ours.forwards <= 7
    assert row.holds


def test_a_suite_is_compared_as_an_attack_is(on):
    row = run_duel(Duel("a suite", BALL, "quick-1", "lazy", lazy, 50), on, 0)

    assert row.ours.figure < row.theirs.figure
    assert 0 < row.ours.backwards <= row.ours.forwards


def test_what_never_fooled_the_model_is_infinitely_far(on):
    row = run_duel(Duel("FMN", "l2", "fmn:steps=20", "lazy", lazy, 50), on, 0)

    assert row.theirs.figure == torch.inf
    assert 0 < row.ours.figure < torch.inf
    assert row.holds


def test_the_judge_takes_nothing_outside_the_ball_or_the_box(on):
    x_adv = far(on.model, on.x, on.y)
    projected = BALL.project(x_adv, on.x)

    wrong = on.model(projected).argmax(1) != on.y
    assert adversarial(on.model, x_adv, on.x, on.y, BALL).equal(wrong)
    found = distance(on.model, x_adv, on.x, on.y, "linf")
    assert (found[found.isfinite()] <= 1).all()
    assert median(torch.tensor([1.0, torch.inf])) == 1.0


@pytest.mark.parametrize(
    ("threat", "ours", "theirs", "holds"),
    [
        (BALL, 50.5, 50.0, True),
        (BALL, 50.6, 50.0, False),
        ("l2", 1.02, 1.0, True),
        ("l2", 1.03, 1.0, False),
        ("l2", torch.inf, 1.0, False),
    ],
)
def test_a_bound_holds_or_not_and_the_table_shows_it(threat, ours, theirs, holds):
    duel = Duel("PGD", threat, "pgd", "lazy", lazy, 500)
    row = Row("toy", duel, Side(ours, 10, 9, 1.25), Side(theirs, 20, 19, 2.5))
    heads, _, line = table.references([row])

    assert row.holds == holds
    assert heads.count("|") == line.count("|")
    assert line.startswith(f"| toy | PGD (`pgd`) | {threat} | lazy | 500 | ")
    assert line.endswith(f"| 10 / 20 | 9 / 19 | 1.2 / 2.5 | {'yes' if holds else '**no**'} |")


def test_the_page_shows_the_machine_and_the_seed():
    text = table.page("References", table.LEGEND, table.references([]), 3, ("torch",))

    assert text.startswith("# References\n\n")
    assert f"torch {torch.__version__}" in text
    assert text.endswith("Seed 3.\n")


@pytest.mark.parametrize("name", ["masked", "rounded"])
def test_the_masked_models_hide_their_gradients(name):
    x = torch.rand(20, 1, 28, 28, generator=torch.Generator().manual_seed(0)).requires_grad_()
    logits = subjects.network(name)(x)
    (grad,) = torch.autograd.grad(logits.sum(), x, retain_graph=True)
    (fading,) = torch.autograd.grad(logits.logsumexp(1).sum() - logits.amax(1).sum(), x)

    assert grad.any() == (name == "masked")
    assert fading.flatten(1).any(1).float().mean() < 0.1


def test_a_batch_is_counted_once_for_each_backward():
    counted = Counted(nn.Linear(3, 2))
    x = torch.zeros(5, 3, requires_grad=True)
    logits = counted(x)
    for column in logits.sum(0):
        torch.autograd.grad(column, x, retain_graph=True)
    with torch.no_grad():
        counted(x)

    assert (counted.forwards, counted.backwards) == (10, 10)


def test_the_peak_is_what_was_held_at_once():
    assert peak_bytes(lambda: torch.zeros(1000, 1000) + 1) >= 8_000_000
    assert peak_bytes(lambda: [torch.zeros(1000, 1000).sum() for _ in range(3)]) < 8_000_000


def test_the_shares_of_the_time_sum_to_all_of_it(on):
    profile = cProfile.Profile()
    profile.runcall(assail, on.model, PGD(steps=20), on.x, on.y, LpThreat.parse("linf:0.001"))
    found = shares(profile)

    assert sum(found.values()) == pytest.approx(100)
    assert set(found) == {part for *_, part in PARTS}  # a function that was renamed leaves its part without time


def test_a_check_on_a_gpu_holds_if_both_devices_end_alike():
    check = Check("quick-1", ("a", "b"))
    cpu = Outcome((98.0, 40.0), "trusted", 1.0, sound=True)

    assert compare(check, cpu, replace(cpu, figures=(98.5, 39.5)))
    assert not compare(check, cpu, replace(cpu, figures=(98.0, 38.0)))
    assert not compare(check, cpu, replace(cpu, text="suspect"))
    assert not compare(check, cpu, replace(cpu, figures=(), sound=False))
    assert compare(check, None, replace(cpu, figures=()))


def test_the_engine_is_checked_in_a_process_of_its_own():
    outcome = run(Check("engine", ("engine",)), "cpu")

    assert outcome.sound, outcome.text
    assert 70 < outcome.figures[1] < outcome.figures[0]


def test_a_change_has_the_error_of_the_seeds_and_of_the_images():
    usual = np.array([[1, 1, 0, 0], [1, 0, 1, 0]], bool)
    better = np.array([[1, 1, 1, 0], [1, 1, 1, 1]], bool)
    seeds = 12.7062 * np.std([25, 50], ddof=1) / 2**0.5
    images = 1.96 * np.std([0, 50, 50, 50], ddof=1) / 2

    half = np.hypot(seeds, images)
    assert describe_change(better, usual) == f"+37.5 ({37.5 - half:+.1f} to {37.5 + half:+.1f})"


def test_of_imbalanced_data_a_tenth_of_half_of_the_classes_is_left():
    y = np.repeat(np.arange(10), 30)
    left = thin(Samples(np.zeros((300, 1), np.float32), y, np.arange(300)))

    assert np.bincount(left.y).tolist() == [30] * 5 + [3] * 5


def test_the_adaptive_attack_on_the_rounded_network_is_on_the_same_network():
    x = torch.rand(8, 1, 8, 8, requires_grad=True)
    defence, attacked = rounded().eval(), adaptive().eval()

    assert torch.allclose(defence(x), attacked(x), atol=1e-5)
    grads = [torch.autograd.grad(net(x).sum(), x)[0].abs().sum() for net in (defence, attacked)]
    assert grads[0] == 0 < grads[1]


def test_what_ours_takes_to_break_as_many_is_read_from_each_success():
    passes, fell = torch.tensor([2.0, 10, 4, 100]), torch.tensor([True, True, True, False])
    own = Ours(1, passes, fell, seconds=29.0)  # 29 passes of each, on average

    assert [own.describe_until(k) for k in range(5)] == ["0, 0.0 s", "2, 2.0 s", "4, 3.5 s", "6, 6.5 s", "never"]


def test_a_patch_of_a_peer_counts_within_one_window_only(on):
    images = Subject("toy", lambda x: -on.model(x), on.x, on.y, 50)  # which answers all wrong
    moved = on.x.clone()
    moved[:, :, :5, :5] = 1 - moved[:, :, :5, :5]
    inside = is_fooled(images, moved)
    moved[:10, :, -1, -1] = 1 - moved[:10, :, -1, -1]
    apart = is_fooled(images, moved)

    assert inside.all()
    assert apart.tolist() == 10 * [False] + 30 * [True]
