"""The code of benchmarks/curve.py that needs no peer: optimality, equal passes, and what is kept of a stopped run."""

import numpy as np
import pytest
import torch

from benchmarks import curve
from benchmarks.curve import OURS, Found, Kept, choose_steps, measure, optimality, rows
from benchmarks.subjects import CASES, Subject
from tests.attacks.models import inputs, network

CASE = next(case for case in CASES if case.path.exists())


def stepped(steps):
    """Return an attack that takes a pass to begin with, and one forward and one backward in each step."""

    def attack(model, x, y):
        model(x)
        for _ in range(steps):
            leaf = x.clone().requires_grad_()
            torch.autograd.grad(model(leaf).sum(), leaf)
        return x

    return attack


@pytest.fixture
def on():
    model, x = network(dtype=torch.float32), inputs(dtype=torch.float32)
    return Subject.of("toy", model, x, model(x).argmax(1))


@pytest.mark.parametrize(
    ("found", "expected"),
    [((1, 2, 3), 1.0), ((2, 2, 3), 2 / 3), ((np.inf, 2, 3), 1 / 3), ((np.inf,) * 3, 0.0), ((9, 9, 9), 0.0)],
)
def test_optimality_is_the_share_of_the_area_above_the_best_curve(found, expected):
    # The best curve ends at 3, and the area above it is 3 - (1 + 2 + 3) / 3 = 1.
    assert optimality(np.array(found, float), np.array([1.0, 2.0, 3.0])) == pytest.approx(expected)


def test_an_input_that_no_attack_found_counts_as_the_end_of_the_curve():
    best = np.array([1.0, 3.0, np.inf])
    assert optimality(best, best) == 1.0
    assert optimality(np.full(3, np.inf), np.full(3, np.inf)) == 1.0


def test_others_get_the_steps_that_take_as_many_passes(on):
    assert choose_steps(stepped, on, 21.0) == 10
    assert choose_steps(stepped, on, 22.9) == 10
    assert choose_steps(stepped, on, 1.0) == 1
    assert choose_steps(stepped, on, 501.0) == pytest.approx(250, abs=1)


def test_what_is_kept_is_not_measured_again(on):
    kept = {OURS: Found(np.ones(len(on.x)), 21.0)}
    assert [*measure(on, "l2", kept, {"lazy": stepped})] == ["lazy"]
    assert kept["lazy"].passes == 21.0
    assert np.isinf(kept["lazy"].distance).all()
    assert [*measure(on, "l2", kept, {"lazy": stepped})] == []


def test_of_other_code_ours_is_measured_again_and_the_others_if_it_takes_other_passes(on, tmp_path, monkeypatch):
    tens = Found(np.ones(len(on.x)), 10.0)
    Kept(tmp_path, CASE, "l2", 2).write({OURS: tens, "lazy": tens})
    monkeypatch.setattr(curve, "hash_code", lambda suite: "of other code")
    kept = Kept(tmp_path, CASE, "l2", 2).read()
    assert (kept[OURS].earlier, kept["lazy"].earlier) == (True, False)

    for steps, measured in ((10, [OURS, "lazy"]), (5, [OURS])):  # ours takes 21 passes, or 11
        again = dict(kept) | {OURS: Found(tens.distance, 11.0, earlier=True)}
        monkeypatch.setattr(curve, "ours", lambda norm, steps=steps: stepped(steps))
        assert [*measure(on, "l2", again, {"lazy": stepped})] == measured
        assert not again[OURS].earlier


def test_results_are_of_the_same_images_and_weights_or_none(tmp_path):
    Kept(tmp_path, CASE, "l2", 2).write({"a": Found(np.array([0.5, np.inf]), 7.0)})
    assert Kept(tmp_path, CASE, "l2", 2).read()["a"].distance.tolist() == [0.5, np.inf]
    assert Kept(tmp_path, CASE, "l2", 3).read() == Kept(tmp_path, CASE, "l1", 2).read() == {}


def test_the_table_has_the_best_attack_first():
    near, far = Found(np.array([1.0, 2.0, 3.0]), 10.0), Found(np.array([2.0, 2.0, 3.0]), 12.0)
    found = rows("l2", {"one": {"b": far, "a": near}, "two": {"b": near, "a": near}})
    assert found == [("l2", "a", "2", "1.000", "1.000", "10"), ("l2", "b", "2", "0.833", "0.667", "11")]
