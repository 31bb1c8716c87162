"""Verification shares nothing with the attacks, and finds everything that can be wrong with an input."""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import robust.models.judged
import robust.verification
from robust.attacks.rng import Rng
from robust.attacks.threats.threat import read_threat
from robust.models.judged import BY_BATCH
from robust.verification.candidates import Candidates
from robust.verification.check import (
    ANSWERED_RIGHT,
    CLEAN_WRONG,
    LARGE,
    NOT_FINITE,
    OUTSIDE,
    RIGHT_ALONE,
    RIGHT_IN_BATCH,
    describe_faults,
    verify,
)
from robust.verification.distances import check_limits, measure_norm, read_balls

BOX = (0.0, 1.0)
X = np.full((4, 1, 2, 2), 0.5, np.float32)
THREATS = ["linf:0.1", "l2:0.5", "l1:0.7", "linf:0.1+l2:0.15"]


class Bright(nn.Module):
    """Answers 1 where the mean is above a half, else 0."""

    def forward(self, x):
        mean = x.flatten(1).mean(1)
        return torch.stack((torch.full_like(mean, 0.5), mean), 1) * 10


def check(x_adv, x=X, threat="linf:0.1", module=None, batch=3, y=None):
    y = np.zeros(len(x), np.int64) if y is None else y
    return verify(module or Bright(), Candidates(x_adv.astype(np.float32), x, y, threat, BOX, batch))


def limits(threat, x_adv, x, bounds=BOX):
    return check_limits(Candidates(x_adv, x, np.zeros(len(x), np.int64), threat, bounds, batch=3))


@pytest.mark.parametrize(
    "name",
    [
        "acceptance",
        "balls",
        "candidates",
        "distances",
        "check",
        "corruptions",
        "patches",
        "pixels",
        "products",
        "random_answers",
        "rounding",
        "spatial",
        "tables",
        "transforms",
    ],
)
def test_nothing_is_shared_with_the_attacks(name):
    tree = ast.parse(Path(robust.verification.__file__).with_name(f"{name}.py").read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    allowed = {
        "robust.verification.acceptance",
        "robust.verification.balls",
        "robust.verification.candidates",
        "robust.verification.distances",
        "robust.verification.check",
        "robust.verification.corruptions",
        "robust.verification.patches",
        "robust.verification.pixels",
        "robust.verification.products",
        "robust.verification.spatial",
        "robust.verification.random_answers",
        "robust.verification.tables",
        "robust.verification.transforms",
        "robust.data.lazy_inputs",
        "robust.data.pictures",
        "robust.data.spool",
        "robust.flags",
        "robust.models.judged",
        "robust.sampling",
    }
    if name == "corruptions":  # the transform itself is what the word means: it is made once more
        allowed |= {"robust.attacks.corruptions.corrupt", "robust.attacks.corruptions.kinds"}
    assert {module for module in modules if module.startswith("robust")} <= allowed


def test_the_forms_that_are_judged_share_nothing_either():
    tree = ast.parse(Path(robust.models.judged.__file__).read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert modules == {"typing", "torch"}


def test_a_real_change_of_the_answer_is_verified():
    found = check(X + 0.09)

    assert (found.fault == 0).all()
    assert describe_faults(found.fault) == ""


@pytest.mark.parametrize(
    ("x_adv", "fault"),
    [(X + 0.11, LARGE), (X - 0.05, ANSWERED_RIGHT), (X + np.float32(np.nan), LARGE), (X + np.float32(np.inf), LARGE)],
    ids=["larger", "kept", "nan", "infinite"],
)
def test_what_is_wrong_is_named(x_adv, fault):
    assert check(x_adv).fault.tolist() == [fault] * 4


def test_an_input_outside_of_the_box_is_no_input():
    x = np.full((2, 1, 2, 2), 0.98, np.float32)

    assert check(x + 0.05, x, y=np.ones(2, np.int64)).fault.tolist() == [OUTSIDE] * 2


def test_bounds_are_rounded_as_the_inputs_are():
    """Neither -2.118 nor 2.64 is a float32: the nearest are without, and are what data that end there have."""
    box = (-2.118, 2.64)
    x = np.array(box, np.float32).reshape(2, 1)
    beyond = np.nextafter(x, np.float32([[-np.inf], [np.inf]]))

    assert float(x[0, 0]) < -2.118 < 2.64 < float(x[1, 0])
    assert limits("linf:0.1", x, x, box)[1].all()
    assert not limits("linf:0.1", beyond, x, box)[1].any()


def test_a_sample_that_is_answered_wrong_without_an_attack_is_not_adversarial():
    assert check(X + 0.09, y=np.ones(4, np.int64)).fault.tolist() == [CLEAN_WRONG] * 4


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_an_answer_that_is_not_finite_changes_nothing(odd):
    class Odd(Bright):
        def forward(self, x):
            return torch.where(x.flatten(1).mean(1)[:, None] > 0.55, odd, super().forward(x))

    assert check(X + 0.09, module=Odd()).fault.tolist() == [NOT_FINITE] * 4


def test_one_float32_beyond_eps_is_too_large():
    """Eps as float32 is above a tenth, and what lies at it is not inside; the next number below is."""
    x = np.zeros((1, 1, 1, 1), np.float32)
    at = np.full_like(x, np.float32(0.1))

    assert not limits("linf:0.1", at, x)[0].any()
    assert limits("linf:0.1", np.nextafter(at, np.float32(0)), x)[0].all()


@pytest.mark.parametrize("batch", [1, 2, 3, 50])
def test_what_holds_in_the_attacks_batches_only_is_no_change(batch):
    """A model whose answer depends on its batch: wrong only where all inputs are perturbed, as in an attack."""

    class Alike(nn.Module):
        def forward(self, x):
            means = x.flatten(1).mean(1)
            wrong = ((means.min() > 0.55) & (len(x) == 4)).expand(len(x))
            return nn.functional.one_hot(wrong.long(), 2).float()

    assert Alike()(torch.from_numpy(X + 0.09)).argmax(1).tolist() == [1] * 4
    assert check(X + 0.09, module=Alike(), batch=batch).fault.tolist() == [ANSWERED_RIGHT] * 4


def test_the_batches_are_not_the_attacks():
    sizes = []

    class Seen(Bright):
        def forward(self, x):
            sizes.append(len(x))
            return super().forward(x)

    for batch in (1, 2, 3, 4):
        check(X + 0.09, module=Seen(), batch=batch)
        assert sizes
        assert batch not in sizes
        sizes.clear()


def test_the_model_is_shown_as_deployed_and_left_as_it_was():
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(4, 2)).train()
    net[0].eval()
    modes = []
    net[1].register_forward_hook(lambda module, *_: modes.append(module.training))

    before = torch.random.get_rng_state()

    check(X + 0.09, module=net)
    assert torch.equal(before, torch.random.get_rng_state())
    assert modes
    assert not any(modes)
    assert [module.training for module in net.modules()] == [True, False, True, True]


def test_near_answers_are_kept_apart_from_wrong_ones():
    found = check(np.stack([X[0] - 1e-5, X[1] - 0.05, X[2] + 0.09, X[3] + 0.2]), batch=9)

    assert found.fault.tolist() == [ANSWERED_RIGHT, ANSWERED_RIGHT, 0, LARGE]
    assert found.wrong.tolist() == [0, ANSWERED_RIGHT, 0, LARGE]
    assert found.edge == 1
    assert describe_faults(found.fault) == "1 larger than eps, 2 answered right"


@pytest.mark.parametrize("threat", THREATS)
def test_what_the_attacks_project_is_inside_by_this_measure_too(threat):
    allowed, x = read_threat(threat), torch.rand(200, 1, 4, 4)
    for part in allowed.parts:
        x_adv = part.project(x + torch.randn_like(x), x)
        small, inside = limits(threat, x_adv.numpy(), x.numpy())
        assert small.all()
        assert inside.all()
    assert limits(threat, allowed.sample(x, Rng.of(0, torch.arange(200))).numpy(), x.numpy())[0].all()


@given(st.sampled_from(THREATS), st.integers(0, 2**31), st.sampled_from([0.5, 1.0, 1.0001, 2.0]))
def test_both_measures_agree(threat, seed, scale):
    rng = np.random.RandomState(seed)
    x, d = rng.rand(8, 12).astype(np.float32), rng.randn(8, 12)
    part = read_balls(threat)[rng.randint(len(read_balls(threat)))]
    x_adv = (x + scale * part.eps * d / measure_norm(part.norm, d)[:, None]).astype(np.float32)
    small, inside = limits(threat, x_adv, x)

    assert (small & inside).tolist() == read_threat(threat).admits(*map(torch.from_numpy, (x_adv, x))).tolist()


def test_nothing_to_verify_is_no_error():
    assert len(check(X[:0], X[:0]).fault) == 0


class Relative(torch.nn.Module):
    """A stand-in for dynamic int8: class 1 is where an input is brighter than 0.5, or than the mean of its batch."""

    def forward(self, x):
        bright = x.flatten(1).mean(1)
        bar = bright.mean() if len(x) > 1 else 0.5
        return torch.stack([torch.zeros_like(bright), bright - bar], 1)


@pytest.mark.parametrize(
    ("light", "fault"), [(0.7, 0), (0.45, RIGHT_ALONE), (0.3, RIGHT_ALONE)], ids=["both", "batch", "neither"]
)
def test_a_model_whose_answers_depend_on_the_batch_must_be_fooled_alone_as_well(light, fault):
    module = Relative()
    setattr(module, BY_BATCH, 0.1)
    x = np.full((2, 4), 0.2, np.float32)
    x_adv = np.full((2, 4), light, np.float32)

    assert check(x_adv, x, "linf:0.6", module, batch=8).fault.tolist() == [fault] * 2


def test_an_input_that_only_another_batch_saves_is_not_counted_and_refutes_nothing():
    module = Relative()
    setattr(module, BY_BATCH, 0.1)
    x = np.float32([[0.3], [0.3], [0.3]])
    x_adv = np.float32([[0.55], [1.0], [1.0]])

    found = check(x_adv, x, "linf:0.9", module, batch=12)

    assert found.fault.tolist() == [RIGHT_IN_BATCH, 0, 0]
    assert not found.wrong.any()
