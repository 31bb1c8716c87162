"""Attacks that seek the smallest perturbation: on linear models the smallest is known."""

import pytest
import torch

from robust.attacks import assail, make, minimize_norm
from robust.attacks.rng import Rng
from robust.attacks.threats.lp import LpThreat
from tests.attacks.models import Affine, inputs, network

ABLE = [("deepfool", "linf"), ("deepfool", "l2"), ("deepfool", "l1"), ("ddn", "l2")]
ABLE += [("fmn", "linf"), ("fmn", "l2"), ("fmn", "l1"), ("fab", "linf"), ("fab", "l2"), ("fab", "l1"), ("cw", "l2")]
FEW = {"cw": 100}  # steps that find something; others need fewer
WIDE = (-5.0, 5.0)  # the box is never touched
each = pytest.mark.parametrize(("name", "norm"), ABLE)


@each
@pytest.mark.parametrize(("classes", "shape"), [(2, (12,)), (5, (3, 4)), (2, (1, 2, 6))])
def test_within_a_twentieth_of_the_optimum_on_linear_models(name, norm, classes, shape):
    model, x = Affine(classes), inputs(20, shape) - 0.5
    # The others follow the likeliest class, which need not be the nearest: each is a target once.
    options = {"deepfool": "", "fab": "", "fmn": f":steps=300:targets={classes - 1}"}
    options["cw"] = f":steps=1500:lr=0.002:targets={classes - 1}"  # the box is wide, and with it a step
    options["ddn"] = options["fmn"] + ":loss=margin"  # cross-entropy also shuns the other classes
    attack = make(name + options[name])
    found = minimize_norm(model, attack, x, model(x).argmax(1), norm, bounds=WIDE)

    best = model.distance(x, norm)
    assert (found.distance >= best * (1 - 1e-9)).all()
    assert (found.distance <= 1.05 * best + 1e-3).all()


@each
@pytest.mark.parametrize(("bounds", "classes"), [((0.0, 1.0), 100), ((-1.0, 1.0), 2)])
def test_what_is_found_fools_the_model_within_the_bounds_at_the_distance_given(name, norm, bounds, classes):
    model, x = network(classes=classes), inputs(30)
    y = model(x).argmax(1)
    found = minimize_norm(model, make(name), x, y, norm, bounds=bounds)

    some = found.distance.isfinite()
    assert some.any()
    assert (model(found.x_adv).argmax(1) != y)[some].all()
    assert found.x_adv.amin() >= bounds[0]
    assert found.x_adv.amax() <= bounds[1]
    size = (found.x_adv - x).flatten(1).norm({"linf": torch.inf, "l2": 2, "l1": 1}[norm], dim=1)
    torch.testing.assert_close(size[some], found.distance[some])
    assert torch.equal(found.x_adv[~some], x[~some])


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("model", [Affine(10, 64), network()], ids=["affine", "network"])
def test_fmn_finds_all_where_the_box_is_in_the_way(model, norm):
    """Most features stand at the box's edge, as those of scans do, and most steps are cut short there."""
    x = (3 * inputs(60) - 1).clamp(0, 1)
    y = model(x).argmax(1)
    found, other = (minimize_norm(model, make(name), x, y, norm) for name in ("fmn", "fab"))

    assert found.distance.isfinite().all()
    assert found.median < 1.1 * other.median


@each
def test_distances_do_not_depend_on_the_batch(name, norm):
    model, x = network(), inputs(12)
    y = model(x).argmax(1)
    attack = make(f"{name}:steps={FEW.get(name, 20)}")
    whole = minimize_norm(model, attack, x, y, norm).distance
    assert whole.isfinite().any()

    for size in (1, 5):
        rows = torch.arange(len(x)).split(size)
        parts = [minimize_norm(model, attack, x[part], y[part], norm, seed=Rng.of(0, part)).distance for part in rows]
        torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-6, atol=1e-9)


@each
def test_a_sample_that_starts_wrong_is_at_distance_0(name, norm):
    model, x = network(), inputs(20)
    y = model(x).argmax(1)
    y[::2] = (y[::2] + 1) % 10
    found = minimize_norm(model, make(name), x, y, norm)

    assert (found.distance[::2] == 0).all()
    assert (found.distance[1::2] > 0).all()
    assert torch.equal(found.x_adv[::2], x[::2])


@each
def test_one_run_gives_what_stands_at_every_radius(name, norm):
    model, x = network(), inputs(30)
    y = model(x).argmax(1)
    found = minimize_norm(model, make(name), x, y, norm)
    eps = found.median

    assert 0.4 < found.robust_at(eps).double().mean() < 0.6
    assert not found.robust_at(float("inf")).any()
    assert found.robust_at(0).all()
    under = assail(model, make(name), x, y, LpThreat.parse(f"{norm}:{1.0001 * eps:.6f}")).adversarial
    assert (under | found.robust_at(eps)).all()


@pytest.mark.parametrize("name", ["ddn", "cw"])
def test_those_for_l2_say_what_to_use_for_another_norm(name):
    model, x = network(), inputs(5)

    with pytest.raises(ValueError, match=f"{name} is for l2, the threat is linf; use fmn"):
        minimize_norm(model, make(name), x, model(x).argmax(1), "linf")


WRONG = [
    "deepfool:steps=0",
    "deepfool:candidates=0",
    "deepfool:overshoot=-1",
    "ddn:gamma=1",
    "fab:steps=0",
    "fab:start=2",
]
WRONG += ["fab:candidates=0", "cw:steps=4", "cw:searches=0", "cw:lr=0", "cw:factor=0", "cw:confidence=-1"]


@pytest.mark.parametrize("word", WRONG)
def test_wrong_options_are_refused(word):
    with pytest.raises(ValueError, match=word.partition(":")[2].partition("=")[0]):
        make(word)
