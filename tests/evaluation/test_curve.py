"""Curves beside exact distances: of linear models, and of tiny ReLU networks; and what a search may begin with."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks import LpThreat, make, read_criterion
from robust.attacks.engine import assail
from robust.attacks.factory import no_models
from robust.attacks.suite import Stage, Suite, read_suite
from robust.attacks.threats.balls import Balls
from robust.data.dataset import Samples
from robust.evaluation import measure_curve
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.curve import CurveRun
from robust.evaluation.known_distances import Seeds
from robust.evaluation.ladder import WIDER, ladder
from robust.evaluation.suite_cache import SuiteCache
from robust.evaluation.suite_run import SuiteRun
from robust.evaluation.time_limit import Deadline
from tests.attacks.models import Affine, inputs
from tests.oracles.margins import adversarial_distance
from tests.oracles.regions import layers_of

WIDE = (-5.0, 5.0)
DUAL = {"linf": 1, "l2": 2, "l1": torch.inf}


class Single(Affine):
    """An affine model that takes float32."""

    def forward(self, x):
        return super().forward(x.double()).float()


@pytest.mark.parametrize(("norm", "classes"), [("linf", 5), ("l2", 5), ("l1", 5), ("l1", 2)])
def test_the_distances_of_a_linear_model_are_exact(norm, classes):
    model, x = Single(classes), inputs(20, (12,)).float() - 0.5
    y = model(x).argmax(1)
    found = measure_curve(model, x, y, norm, bounds=WIDE)

    exact = model.distance(x.double(), norm).detach().numpy()
    np.testing.assert_allclose(found.distance, exact, rtol=1e-4)
    assert (found.distance >= exact * (1 - 1e-6)).all()


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_they_are_exact_where_the_nearest_class_is_not_among_the_largest_logits(norm):
    generator = torch.Generator().manual_seed(2)
    model = nn.Linear(12, 10)
    scale = 0.2 + 2 * torch.rand(10, 1, generator=generator)  # of unlike length: a far logit may have a near boundary
    model.weight.data, model.bias.data = (torch.randn(*s, generator=generator) for s in ((10, 12), (10,)))
    model.weight.data *= scale
    x = torch.rand(40, 12, generator=generator) - 0.5
    logits = model(x).detach()
    found = measure_curve(model, x, y := logits.argmax(1), norm, bounds=WIDE)

    steep = torch.linalg.vector_norm(model.weight[None] - model.weight[y][:, None], DUAL[norm], dim=2).detach()
    exact = ((logits.gather(1, y[:, None]) - logits) / steep).double().scatter(1, y[:, None], torch.inf)
    ranks = logits.argsort(1, descending=True).argsort(1).gather(1, exact.argmin(1, keepdim=True))
    assert (ranks > 3).sum() > 0
    np.testing.assert_allclose(found.distance, exact.amin(1), rtol=1e-4)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("text", ["within:1", "within:50%", "labels", "labels:any=0,2"])
def test_the_distances_of_linear_values_and_labels_are_exact(norm, text):
    model, x = Single(3), inputs(20, (12,)).float() - 0.5
    out = model(x).detach()
    if text.startswith("within"):
        y = out + 0.6 * torch.randn(out.shape, generator=torch.manual_seed(1))
        room = (y.abs() / 2 if "%" in text else torch.ones_like(y)) - (out - y).abs()
    else:
        y = (out > 0).long()
        y[:3, 0] = 1 - y[:3, 0]
        room = ((2 * y - 1) * out)[:, [0, 2] if "any" in text else [0, 1, 2]]
    found = measure_curve(model, x, y, norm, bounds=WIDE, eps=(0.1, 0.3), criterion=read_criterion(text))

    dual = torch.linalg.vector_norm(model.weight.double(), DUAL[norm], dim=1)
    exact = (room / dual[[0, 2] if "any" in text else [0, 1, 2]]).amin(1).clamp_min(0).detach().numpy()
    assert 0 < (exact == 0).sum() < 20
    np.testing.assert_allclose(found.distance, exact, rtol=1e-4)
    assert (found.distance >= exact * (1 - 1e-6)).all()


@pytest.mark.parametrize("seed", range(12))
def test_the_distances_of_a_tiny_network_are_exact(seed):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    x = torch.rand(4, 4)
    y = model(x).argmax(1)
    found = measure_curve(model, x, y, "linf")

    layers = layers_of(model)
    exact = [adversarial_distance(layers, z.double().numpy(), int(label)) for z, label in zip(x, y, strict=True)]
    np.testing.assert_allclose(found.distance, exact, rtol=1e-4)


class Blinkered(Single):
    """An affine model whose gradient reaches every other feature alone: the way that it shows is twice too long."""

    def forward(self, x):
        shown = torch.zeros_like(x)
        shown[:, ::2] = 1
        return super().forward(x * shown + (x * (1 - shown)).detach())


def test_queries_come_near_where_gradients_mislead_and_cost_little_where_they_do_not():
    clear, x = Single(3), inputs(20, (12,)).float() - 0.5
    y = clear(x).argmax(1)
    exact = clear.distance(x.double(), "linf").detach().numpy()
    rungs = ladder("linf", [read_suite("standard-1", None)], 3, no_models)
    run = CurveRun(
        clear,
        Samples(x.numpy(), y.numpy(), np.arange(20)),
        LpThreat.widest("linf", x, *WIDE),
        rungs,
        RunOptions(Batcher(64)),
    )
    correct, gradients = np.ones(20, bool), [rung for rung in rungs if "inwards" not in rung.name]
    assert len(gradients) < len(rungs)
    blind = replace(run, module=Blinkered(3))
    found = blind.run(correct)

    misled = replace(blind, rungs=gradients).run(correct)
    assert np.median(misled.distance / exact) > 1.3
    assert np.median(found.distance / exact) < 1.15
    cheap, best = (replace(run, rungs=each).run(correct) for each in (rungs, gradients))
    assert cheap.forwards - best.forwards <= 16 * 302 + 20 * 10
    np.testing.assert_allclose(cheap.distance, best.distance, rtol=1e-4)


def test_arrays_are_given_by_name_and_what_is_beyond_the_end_is_not_found():
    model, x = Single(3), inputs(20, (12,)).float() - 0.5
    y = model(x).argmax(1)
    y[:3] = (y[:3] + 1) % 3
    found = measure_curve(model, x, y, "l2", bounds=WIDE, end=0.3)

    arrays = found.arrays()
    assert (arrays["distance"][:3] == 0).all()
    assert np.isinf(arrays["distance"]).any()
    assert len(arrays["x_adv"]) == len(arrays["row"]) == found.found.sum() > 0
    size = np.linalg.norm(arrays["x_adv"] - x.numpy()[arrays["row"]], axis=1)
    np.testing.assert_allclose(size, arrays["distance"][arrays["row"]], rtol=1e-5)
    assert (size <= 0.3).all()
    assert (model(torch.from_numpy(arrays["x_adv"])).argmax(1).numpy() != y.numpy()[arrays["row"]]).all()
    assert found.robust_at(0.3).sum() == np.isinf(arrays["distance"]).sum()


def curve_run(rungs=(), deadline=None):
    """Return a run on an affine model, and the samples that it answers right."""
    model, x = Single(3), inputs(20, (12,)).numpy().astype(np.float32)
    y = model(torch.from_numpy(x)).argmax(1).numpy()
    samples = Samples(x, y, np.arange(20))
    threat = LpThreat.parse("linf:0.5")
    return CurveRun(model, samples, threat, rungs, RunOptions(Batcher(8)), deadline=deadline), np.ones(20, bool)


def test_it_is_at_or_below_what_it_is_given():
    run, correct = curve_run()
    x, y = torch.from_numpy(run.samples.x), torch.from_numpy(run.samples.y)
    outcome = assail(run.module, make("pgd:steps=10"), x, y, LpThreat.parse("linf:0.3"))
    rows = np.flatnonzero(outcome.adversarial.numpy())
    assert len(rows)
    found = run.run(correct, [Seeds(rows, outcome.x_adv.numpy()[rows])])

    assert not found.robust_at(0.3 * (1 + 1e-12))[rows].any()
    assert (found.distance[np.setdiff1d(np.arange(20), rows)] == np.inf).all()


def test_what_the_time_ends_is_verified_and_said():
    run, correct = curve_run(ladder("linf", [read_suite("standard-1", None)], 3, no_models)[:4])
    ticks = iter(range(10**6))
    late = replace(run, deadline=Deadline(40.0, lambda: next(ticks))).run(correct)

    assert late.partial == "time"
    assert (late.distance >= run.run(correct).distance * (1 - 1e-3)).all()


@pytest.mark.parametrize(
    ("attack", "norm"),
    [
        *itertools.product(("pgd:steps=5", "pgd:starts=3:steps=5", "apgd:steps=5"), ("linf", "l2", "l1")),
        *itertools.product(("square:steps=20",), ("linf", "l2")),
    ],
)
def test_an_attack_stays_in_the_ball_of_each_sample(attack, norm):
    model, x = Single(3), inputs(40, (12,)).float()
    y = model(x).argmax(1)
    share = torch.linspace(0.05, 1, 40)
    eps = {"linf": 0.2, "l2": 0.6, "l1": 2.0}[norm]
    balls = Balls(norm, eps, share=share)
    outcome = assail(model, make(attack), x, y, balls)

    found = outcome.adversarial
    size = balls.size(outcome.x_adv.double(), x.double())
    assert found.sum() > 5
    assert (size[found] <= eps * share.double()[found]).all()


SMALL = Suite("small-1", (Stage("pgd:steps=3:restarts=2"), Stage("pgd:loss=margin:steps=8")))


def small_run(suites=(SMALL,), eps=()):
    """Return a run on a small network by the first rung alone, which is weak, and the rungs at some eps."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 5)).requires_grad_(
        False
    )
    for parameter in model.parameters():
        parameter.mul_(5)
    x = torch.rand(300, 12)
    samples = Samples(x.numpy(), model(x).argmax(1).numpy(), np.arange(300) * 3)
    rungs = ladder("linf", suites, 5, no_models, eps=eps)
    rungs = [rungs[0], *(rung for rung in rungs if rung.listed)]
    return CurveRun(model, samples, LpThreat.parse("linf:0.5"), rungs, RunOptions(Batcher(64), seed=5))


def suite_marks(run, suite, eps):
    """Mark the samples that a run of the suite of its own breaks."""
    threat = replace(run.threat, eps=eps)
    return SuiteRun(run.module, run.samples, suite, threat, 5, run.options).run(np.ones(300, bool)).adversarial


def test_at_eps_that_are_listed_it_is_at_or_below_the_suite_on_all_that_lies_little_beyond():
    correct, eps = np.ones(300, bool), [Fraction(k, 100) for k in (3, 8, 15)]
    weak, found = (small_run(eps=each).run(correct) for each in ((), eps))
    marks = [suite_marks(small_run(), SMALL, radius) for radius in eps]

    assert [name for name in found.attacks if "small-1" in name] == [f"small-1 at linf:{e}" for e in (0.15, 0.08, 0.03)]
    missed = [broken & weak.robust_at(float(radius)) for radius, broken in zip(eps, marks, strict=True)]
    assert sum(each.sum() for each in missed) > 5
    near = [weak.distance <= WIDER * float(radius) for radius in eps]
    assert any((left & close).any() for left, close in zip(missed, near, strict=True))
    for radius, broken, close in zip(eps, marks, near, strict=True):
        assert not (broken & close & found.robust_at(float(radius))).any()
    assert (found.distance <= weak.distance).all()
    better = found.distance < weak.distance
    assert (found.distance[better] < 0.9999 * weak.distance[better]).all()
    assert found.forwards - weak.forwards < 300 * 20


def test_what_lies_a_little_within_an_eps_is_attacked_there_too_since_it_shows_what_pays(monkeypatch):
    correct, eps, attacked = np.ones(300, bool), 0.08, []
    run_suite = SuiteRun.run
    monkeypatch.setattr(SuiteRun, "run", lambda run, marks: attacked.append(marks) or run_suite(run, marks))
    weak = small_run().run(correct)
    small_run(eps=[Fraction(2, 25)]).run(correct)

    expected = (weak.distance > eps / WIDER) & (weak.distance <= eps * WIDER)
    np.testing.assert_array_equal(*attacked, expected)
    assert (weak.distance[expected] < eps).any()
    assert (weak.distance[expected] > eps).any()


def test_an_eps_beyond_which_nothing_lies_near_costs_nothing():
    correct = np.ones(300, bool)
    weak = small_run().run(correct)
    eps = Fraction(float(weak.distance[weak.found].max() * 1.001))  # the farthest that was found lies a little within

    found = small_run(eps=[eps]).run(correct)
    assert (found.forwards, found.backwards) == (weak.forwards, weak.backwards)


def test_the_suite_at_an_eps_goes_on_from_the_cache_and_ends_with_the_time(tmp_path):
    eps, correct = [Fraction(1, 25), Fraction(1, 50)], np.ones(300, bool)
    run = replace(small_run(eps=eps), cache=SuiteCache(tmp_path / "rungs"))
    whole = run.run(correct)
    assert run.cache.count() == 3
    (tmp_path / "rungs" / "0002.npz").unlink()
    again = run.run(correct)

    np.testing.assert_array_equal(again.distance, whole.distance)
    assert (again.forwards, again.backwards) == (whole.forwards, whole.backwards)
    weak = replace(run, cache=None, rungs=run.rungs[:1]).run(correct)
    late = replace(run, cache=None, rungs=run.rungs[1:], deadline=Deadline(0.0))
    stopped = late.run(correct, [Seeds(np.flatnonzero(weak.found), weak.x_adv)])
    assert stopped.partial == "time"
    assert (stopped.distance <= weak.distance).all()


def test_eps_from_python_are_those_of_the_curve():
    model, x = Single(3), inputs(6, (12,)).float() - 0.5
    y = model(x).argmax(1)
    found = measure_curve(model, x, y, "linf", bounds=WIDE, end=0.4, eps=(0.1, Fraction(1, 5)))

    assert found.attacks[-2:] == ("standard-1 at linf:0.2", "standard-1 at linf:0.1")
    with pytest.raises(ValueError, match=r"an eps of 0.5 is beyond the curve's end, linf:0.4"):
        measure_curve(model, x, y, "linf", bounds=WIDE, end=0.4, eps=(0.5,))
    with pytest.raises(ValueError, match="eps must be above 0"):
        measure_curve(model, x, y, "linf", bounds=WIDE, eps=(0,))
