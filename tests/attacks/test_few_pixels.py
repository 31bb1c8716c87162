"""A few pixels (l0): the geometry, and attacks against enumeration, and against closed forms on linear models."""

import re
from itertools import combinations, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robust.attacks import LpThreat, PixelThreat, Rng, Task, Union, assail, make, run_steps
from robust.attacks.families import find_unfit
from robust.attacks.registry import ATTACKS
from robust.attacks.threats.threat import read_threat
from robust.attacks.words import canonical_threat
from tests.attacks.models import Affine, Linear, inputs, network

SHAPES = [(12,), (3, 4), (1, 4, 3), (3, 2, 2), (2, 2, 1, 3)]
FOR_PIXELS = [name for name in ATTACKS.names() if not find_unfit(ATTACKS.get(name), "l0")]
GRADIENTS = ["fgsm:loss=margin", "pgd:loss=margin", "apgd:loss=margin:steps=60", "spgd:loss=margin:steps=200"]
ALL = [*GRADIENTS, "sigma-zero", "sparse-rs:steps=1500"]


def count(x_adv, x):
    """Count changed pixels one by one, without the code under test."""
    rows = []
    for a, b in zip(x_adv, x, strict=True):
        places = product(*map(range, a.shape[-2:])) if a.dim() > 1 else [(k,) for k in range(len(a))]
        rows.append(sum(bool((a[(..., *place)] != b[(..., *place)]).any()) for place in places))
    return torch.tensor(rows)


@st.composite
def cases(draw):
    """Draw (threat, x in the box, any x_adv, any gradient), in float32 or float64."""
    shape, dtype = draw(st.sampled_from(SHAPES)), draw(st.sampled_from([torch.float32, torch.float64]))
    lo, hi = draw(st.sampled_from([(0.0, 1.0), (-0.1, 0.1), (-2.5, 2.64)]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    x = (lo + (hi - lo) * torch.rand(4, *shape, generator=generator, dtype=dtype)).clamp(lo, hi)
    other, grad = (torch.randn(x.shape, generator=generator, dtype=dtype) for _ in range(2))
    grad = grad * (torch.rand(x.shape, generator=generator) < draw(st.sampled_from([0.2, 1.0])))
    return PixelThreat(draw(st.sampled_from([1, 2, 5, 40])), lo, hi), x, x + other, grad


@given(cases(), st.sampled_from([0.1, 0.5, 1.0]))
@settings(max_examples=100, deadline=None)
def test_what_is_drawn_projected_or_stepped_to_is_admitted(case, share):
    threat, x, wild, grad = case
    rng = Rng.of(1, torch.arange(len(x)))
    corner = threat.step(x, grad, 1.0)
    found = [threat.project(wild, x), threat.sample(x, rng), corner, threat.step(x, grad, torch.full((4,), share))]
    found += [threat.advance(corner, grad.flip(-1), x, share, share), threat.advance(x, grad, x, 1.0, 1.0)]
    for x_adv in found:
        assert threat.admits(x_adv, x).all()
        assert (count(x_adv, x) <= threat.count).all()
        assert x_adv.dtype == x.dtype
    assert torch.equal(threat.project(x, x), x)
    torch.testing.assert_close(threat.size(wild, x), count(wild, x).to(x))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_projection_is_the_nearest_of_all_that_change_two_pixels(shape):
    x = inputs(6, shape)
    wild = x + 0.8 * Rng.of(2, torch.arange(6)).normal(x)
    inside = wild.clamp(0, 1)

    best = torch.full((6,), torch.inf, dtype=x.dtype)
    for mask in masks(shape, 2):
        near = torch.where(mask, inside, x)
        best = torch.minimum(best, (near - inside).square().flatten(1).sum(1))

    found = PixelThreat(2).project(wild, x)
    torch.testing.assert_close((found - inside).square().flatten(1).sum(1), best)


def masks(shape, k):
    """Yield every choice of k pixels as a mask of the shape."""
    places = list(product(*map(range, shape[-2:]))) if len(shape) > 1 else [(k,) for k in range(*shape)]
    for chosen in combinations(places, k):
        mask = torch.zeros(shape, dtype=torch.bool)
        for place in chosen:
            mask[(..., *place)] = True
        yield mask


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("attack", ALL)
def test_on_a_linear_model_exactly_those_fall_that_can(attack, k):
    """The most that can be gained is the sum of the k largest terms |w| times the room that the box leaves."""
    model, x = Linear(64), inputs(80, (1, 8, 8))
    y = model(x).argmax(1)
    ahead = (1 - 2 * y)[:, None] * model.w
    gains = torch.where(ahead > 0, 1 - x.flatten(1), x.flatten(1)) * ahead.abs()
    lead = (model(x)[:, 1]).abs()
    can = gains.topk(k).values.sum(1) > lead

    found = assail(model, make(attack), x, y, PixelThreat(k))

    assert 0 < can.sum() < len(can)
    assert torch.equal(found.adversarial, can)


@pytest.mark.parametrize("shape", [(48,), (3, 4, 4)])
@pytest.mark.parametrize("attack", [*(f"{text}:targets=4" for text in GRADIENTS), ALL[-1]])
def test_of_all_pairs_of_pixels_of_a_linear_model_none_is_missed(attack, shape):
    """With colours a pixel gains the sum over its channels; every pair is tried, towards every class."""
    model, x = Affine(5, 48), inputs(60, shape)
    favoured = model.weight[torch.arange(60) % 5].view_as(x) > 0
    x = x.lerp(favoured.to(x), 0.4)  # so that some are far from every boundary
    y = model(x).argmax(1)
    can = torch.zeros(len(x), dtype=torch.bool)
    for c in range(5):
        slope = (model.weight[c] - model.weight[y]).reshape(-1, *shape)
        corner = torch.where(slope > 0, 1.0, 0.0).to(x)
        for mask in masks(shape, 2):
            can |= model(torch.where(mask, corner, x)).argmax(1) != y

    found = assail(model, make(attack), x, y, PixelThreat(2))

    assert 0 < can.sum() < len(can)
    assert torch.equal(found.adversarial, can)


def test_random_search_finds_what_enumeration_of_all_corners_finds():
    """On a network, where gradients lead astray: all pairs of the pixels of a 3x3 image at all corners."""
    model, x = network(9, 3), inputs(40, (1, 3, 3))
    y = model(x).argmax(1)
    can = torch.zeros(len(x), dtype=torch.bool)
    for mask in masks((1, 3, 3), 2):
        for values in product((0.0, 1.0), repeat=2):
            corner = torch.zeros(9, dtype=x.dtype)
            corner[mask.flatten()] = torch.tensor(values, dtype=x.dtype)
            can |= model(torch.where(mask, corner.view(1, 3, 3), x)).argmax(1) != y

    found = assail(model, make("sparse-rs:steps=1500"), x, y, PixelThreat(2))

    assert 0 < can.sum() < len(can)
    assert torch.equal(found.adversarial, can)


def test_sigma_zero_ends_with_few_pixels():
    """It seeks fewer than any count that is asked for: at a generous one it goes on only until it is met."""
    model, x = network(64), inputs(20, (1, 8, 8))
    y = model(x).argmax(1)
    task = Task.of(model, x, y, PixelThreat(64), Rng.of(0, torch.arange(20)))
    sizes = count(run_steps(make("sigma-zero:steps=300"), task), x)

    assert sizes.double().mean() < 8


@pytest.mark.parametrize("name", FOR_PIXELS)
def test_an_attack_for_pixels_leaves_what_it_did_not_choose(name):
    model, x = network(64), inputs(20, (1, 8, 8))
    y = model(x).argmax(1)
    found = assail(model, make(name), x, y, PixelThreat(6))

    assert found.adversarial.any()
    assert (count(found.x_adv, x) <= 6).all()


def test_those_that_are_for_pixels():
    assert FOR_PIXELS == ["apgd", "bim", "fgsm", "mifgsm", "noise", "pgd", "sigma-zero", "sparse-rs", "spgd", "worstof"]


@pytest.mark.parametrize("text", ["l0:6+linf:0.02", "l2:0.2+l0:6"])
def test_a_union_holds_what_either_part_holds(text):
    model, x = network(64), inputs(30, (1, 8, 8))
    y = model(x).argmax(1)
    union = read_threat(text)
    assert isinstance(union, Union)
    outcomes = [assail(model, make("pgd"), x, y, part).adversarial for part in (union, *union.parts)]

    assert torch.equal(outcomes[0], outcomes[1] | outcomes[2])
    assert str(union) == canonical_threat(text)


WRONG = {
    "l0": "'l0': K, the number of pixels that may change, must be a whole number above 0, as in l0:20, got ''",
    "l0:0": "must be a whole number above 0, as in l0:20, got '0'",
    "l0:-3": "must be a whole number above 0, as in l0:20, got '-3'",
    "l0:1.5": "must be a whole number above 0, as in l0:20, got '1.5'",
    "l0:8/255": "must be a whole number above 0, as in l0:20, got '8/255'",
    "l0:2%": "must be a whole number above 0, as in l0:20, got '2%'",
    "l0:1e3": "must be a whole number above 0, as in l0:20, got '1e3'",
    "l0:99999999999": "must be a whole number above 0",
    "l0:2\u0662": "must be a whole number above 0",  # a digit of another script
    "L0:20": "'L0:20': write l0:20",
    "l_0=20": "'l_0=20': write l0:20",
    "pixels:20": "'pixels:20': write l0:20",
    "l0:20+l0:x": "'l0:x': K, the number of pixels",
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_words_are_told_in_one_line(text):
    with pytest.raises(ValueError, match=f"^[^\n]*{re.escape(WRONG[text])}[^\n]*$"):
        canonical_threat(text)


def test_what_is_no_such_threat_is_refused():
    with pytest.raises(ValueError, match=r"'linf:0.1': write l0:K"):
        PixelThreat.parse("linf:0.1")
    with pytest.raises(ValueError, match="lower bound must be below the upper"):
        PixelThreat(3, 1, 0)
    with pytest.raises(ValueError, match="a whole number above 0"):
        PixelThreat(0)
    with pytest.raises(ValueError, match=r"square is for linf, l2, l1, the threat is l0; use sparse-rs$"):
        assail(Linear(4), make("square"), inputs(2, (4,)), torch.zeros(2, dtype=torch.int64), PixelThreat(2))
    with pytest.raises(ValueError, match="spgd is for l0, the threat is linf"):
        assail(Linear(4), make("spgd"), inputs(2, (4,)), torch.zeros(2, dtype=torch.int64), LpThreat.parse("linf:0.1"))
