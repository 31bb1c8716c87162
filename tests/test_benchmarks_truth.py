"""Known truth beside the second opinion: planted examples, certified samples, exact distances."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import planted, truth
from benchmarks.exact import Exact, attack_exact, draw_exact, to_module
from benchmarks.outcomes import Outcome, Run
from benchmarks.planted import PLANTED, Planting, near_misses, read_planting, shortfall, train, write_planting
from benchmarks.truth import Bracket, bracket_cells, describe
from robust.attacks import LpThreat

BALL = LpThreat.parse("linf:0.2")
NAMES = ("standard-1", "AutoAttack", "quick-1")


def run(*left):
    """A run on 10 images, 8 of them answered right, with what each side left of them."""
    sides = (Outcome(each, 80, 40, 1.0, "") for each in left)
    return Run("linf:0.2", 10, 8, dict(zip(NAMES, sides, strict=True)))


def test_what_is_left_is_certified_or_open():
    bracket = Bracket("toy", run((0, 1, 2, 3), (0, 1, 2), (0, 1, 2, 3, 4)), frozenset({0, 1}))

    assert [bracket.open(name) for name in NAMES] == [2, 1, 3]
    row = ["toy", "linf:0.2", "10", "8", "2", "4 / 3 / 5", "2 / 1 / 3", "0 / 0 / 0"]
    assert bracket_cells(bracket, NAMES) == row


def test_a_certified_sample_that_is_broken_is_an_error(monkeypatch, capsys):
    broken = Bracket("toy", run((0, 1, 2), (1, 2), (0, 1, 2)), frozenset({0, 1}))
    monkeypatch.setattr(truth, "_brackets", lambda suite: [broken])

    assert truth.main(["certified"]) == 1
    assert "| 0 / 1 / 0 **broken** |" in capsys.readouterr().out
    monkeypatch.setattr(truth, "_brackets", lambda suite: [replace(broken, certified=frozenset({2}))])
    assert truth.main(["certified"]) == 0


def test_a_part_and_another_suite_do_not_replace_the_page(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(truth, "PAGE", tmp_path / "truth.md")
    monkeypatch.setattr(truth, "TABLES", {name: lambda suite: [f"by {suite}"] for name in truth.TABLES})

    assert truth.main(["exact"]) == truth.main(["--suite=quick-1"]) == 0
    assert not truth.PAGE.exists()
    assert "by quick-1" in capsys.readouterr().out
    assert truth.main([]) == 0
    assert "by standard-1\n" in truth.PAGE.read_text("utf-8")


def test_an_unknown_table_is_refused_in_one_line(capsys):
    with pytest.raises(SystemExit):
        truth.main(["exct"])

    assert "error: unknown table 'exct', did you mean 'exact'?" in capsys.readouterr().err


def test_what_was_found_is_shown_with_its_passes_for_a_sample():
    assert describe(run((0,), (), (0, 1)), NAMES) == ["7 / 8 / 6", "10 / 10 / 10", "5 / 5 / 5", "1.0 / 1.0 / 1.0"]


@pytest.mark.parametrize("case", PLANTED, ids=lambda case: case.name)
def test_the_planted_examples_are_adversarial(case):
    planting, threat = read_planting(case), LpThreat.parse(case.threat)

    assert len(planting.x) == case.n
    assert planting.holds(threat).all()
    assert len(case.subject(case.n, 0).x) == case.n
    assert case.path.stat().st_size < 300_000


def test_a_planted_example_holds_in_the_ball_where_it_is_answered_wrong_and_x_is_not():
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
    model[1].weight.data, model[1].bias.data = torch.tensor([[-1.0], [1.0]]), torch.tensor([1.0, 0.0])  # class 1 > 0.5
    x, x_adv = torch.tensor([[0.4], [0.4], [0.3], [0.6]]), torch.tensor([[0.55], [0.65], [0.45], [0.7]])

    assert Planting(model, x, torch.zeros(4).long(), x_adv).holds(BALL).tolist() == [True, False, False, False]


def test_near_misses_lie_between():
    x, x_adv = torch.zeros(3, 1, 4, 4), torch.ones(3, 1, 4, 4)
    shares = near_misses(x, x_adv).flatten(1).mean(1)

    assert len(shares) == 3 * planted.NEAR
    assert 0.3 < shares.mean() < 0.55


def test_the_shortfall_is_what_the_target_lacks():
    logits, target = torch.tensor([[1.0, 0.0, 5.0], [1.0, 2.0, 0.0]]), torch.tensor([1, 1])

    assert shortfall(logits, target).item() == pytest.approx((1 + planted.MARGIN) / 2)


def test_a_network_is_planted_the_same_again_and_read_as_it_was_written(monkeypatch, tmp_path):
    case = replace(PLANTED[0], n=3, epochs=4)
    monkeypatch.setattr(planted.Planted, "path", tmp_path / "toy.safetensors")
    first, again = train(case), train(case)
    write_planting(case, first)

    found = read_planting(case)
    for other in (again, found):
        assert other.x_adv.equal(first.x_adv)
        assert other.model(first.x).equal(first.model(first.x))
    assert BALL.admits(first.x_adv, first.x).all()


def test_an_exact_distance_is_where_attacks_begin_to_succeed():
    layers = [(np.eye(4), np.zeros(4))]
    x = torch.tensor([0.8, 0.3, 0.1, 0.2]).view(1, 1, 2, 2)
    sample = Exact(to_module(layers), x, torch.tensor([0]), 0.25)

    def attacker(threat):
        return lambda model, x, y: threat.project(threat.step(x, -x + 0.5, 1.0), x)

    found = [len(attack_exact([sample], ratio, attacker, 0).left) for ratio in (0.99, 1.01)]
    assert found == [1, 0]


def test_the_exact_samples_are_answered_right():
    (sample, *_) = draw_exact(1, 1, 3)

    assert sample.model(sample.x).argmax(1).equal(sample.y)
    assert 0.01 < sample.distance < 0.9
