from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from robust.attacks import LpThreat, Rng
from robust.attacks.geometry import to_plane

NORMS = ["linf", "l2", "l1"]
SHAPES = [(5,), (1, 4, 4), (3, 2, 5), (1,)]


@st.composite
def cases(draw):
    """Draw (threat, x in the box, any x_adv), in float32 or float64."""
    shape, dtype = draw(st.sampled_from(SHAPES)), draw(st.sampled_from([torch.float32, torch.float64]))
    lo, hi = draw(st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (-2.5, 3.0)]))
    eps = draw(st.fractions(min_value=Fraction(1, 255), max_value=1, max_denominator=255))
    threat = LpThreat(draw(st.sampled_from(NORMS)), eps, lo, hi)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    x = lo + (hi - lo) * torch.rand(4, *shape, generator=generator, dtype=dtype)
    spread = draw(st.sampled_from([0.01, 1.0, 1000.0]))
    return threat, x, x + spread * torch.randn(x.shape, generator=generator, dtype=dtype)


@given(cases())
@settings(max_examples=200, deadline=None)
def test_a_projection_is_inside_exactly(case):
    threat, x, x_adv = case

    assert threat.admits(threat.project(x_adv, x), x).all()


@given(cases())
@settings(max_examples=200, deadline=None)
def test_projecting_twice_is_projecting_once(case):
    threat, x, x_adv = case
    once = threat.project(x_adv, x)

    torch.testing.assert_close(threat.project(once, x), once, rtol=0, atol=4 * torch.finfo(x.dtype).eps)


@given(cases())
@settings(max_examples=200, deadline=None)
def test_what_is_well_inside_stays_where_it_is(case):
    threat, x, x_adv = case
    inside = x + 0.9 * (threat.project(x_adv, x) - x)

    torch.testing.assert_close(threat.project(inside, x), inside, rtol=0, atol=4 * torch.finfo(x.dtype).eps)


@given(cases())
@settings(max_examples=200, deadline=None)
def test_no_admitted_point_is_nearer_where_the_box_is_inactive(case):
    """p is the projection of a onto a convex set exactly where <a - p, q - p> <= 0 for all q of the set."""
    threat, x, x_adv = case
    threat, x, x_adv = LpThreat(threat.norm, threat.eps, -100, 100), x.double(), x_adv.double()
    p = threat.project(x_adv, x)
    rng = Rng.of(0, torch.arange(len(x)))
    for k in range(20):
        q = threat.sample(x, rng.fold(k))
        corner = threat.step(x, x_adv - p, float(threat.eps))  # the point of the ball farthest along a - p
        for inside in (q, corner):
            assert (((x_adv - p) * (inside - p)).flatten(1).sum(1) <= 1e-8).all()


@given(cases())
@settings(max_examples=100, deadline=None)
def test_samples_are_admitted(case):
    threat, x, _ = case

    assert threat.admits(threat.sample(x, Rng.of(1, torch.arange(len(x)))), x).all()


@pytest.mark.parametrize("norm", NORMS)
def test_samples_fill_the_ball_evenly(norm):
    """Uniform in a ball of dimension d: the share of samples within a radius r is r**d."""
    d, n = 3, 20000
    threat = LpThreat(norm, Fraction(1), -10, 10)
    x = torch.zeros(n, d, dtype=torch.float64)
    size = threat.size(threat.sample(x, Rng.of(0, torch.arange(n))), x)

    for radius in (0.3, 0.6, 0.9):
        assert abs((size <= radius).double().mean() - radius**d) < 0.015


@given(cases())
@settings(max_examples=100, deadline=None)
def test_a_step_is_the_steepest_of_its_length(case):
    threat, x, x_adv = case
    threat, x = LpThreat(threat.norm, threat.eps, -100, 100), x.double()
    grad, length = x_adv.double() - x, 0.3
    gained = ((threat.step(x, grad, length) - x) * grad).flatten(1).sum(1)
    g = grad.flatten(1)

    dual = {"linf": g.abs().sum(1), "l2": g.norm(dim=1), "l1": g.abs().amax(1)}[threat.norm]
    torch.testing.assert_close(gained, length * dual)


def test_an_l1_step_fills_the_best_coordinates_up_to_the_box():
    x, grad = torch.tensor([[0.5, 0.8, 0.9, 0.1]]), torch.tensor([[1.0, 3.0, -2.0, 0.0]])

    moved = LpThreat("l1", Fraction(2)).step(x, grad, 1.25)

    torch.testing.assert_close(moved, torch.tensor([[0.65, 1.0, 0.0, 0.1]]))


def test_an_l1_step_does_not_move_where_no_gradient_is():
    x = torch.full((1, 4), 0.5)

    assert torch.equal(LpThreat("l1", Fraction(2)).step(x, torch.zeros(1, 4), 1.0), x)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.001, 1.001])
def test_what_is_not_a_number_or_leaves_the_box_is_not_admitted(norm, bad):
    x = torch.tensor([[0.0, 1.0, 0.5]])
    x_adv = x.clone()
    x_adv[0, 0 if bad < 0 else 1] = bad

    assert not LpThreat(norm, Fraction(1, 2)).admits(x_adv, x)


@pytest.mark.parametrize("norm", NORMS)
def test_admission_is_exact(norm):
    threat = LpThreat(norm, Fraction(1, 4))
    x = torch.full((1, 3), 0.5, dtype=torch.float64)
    x_adv = x.clone()
    x_adv[0, 0] += 0.25

    assert threat.admits(x_adv, x)
    x_adv[0, 0] += 1e-15
    assert not threat.admits(x_adv, x)


@pytest.mark.parametrize("text", ["linf:8/255", "l2:0.5", "l1:12"])
def test_text_comes_back_as_written(text):
    assert str(LpThreat.parse(text)) == text


def test_eps_in_grey_levels_is_reported():
    with pytest.raises(ValueError, match=r"did you mean linf:8/255\?"):
        LpThreat.parse("linf:8")


def test_bounds_the_wrong_way_round_are_reported():
    with pytest.raises(ValueError, match="below the upper"):
        LpThreat.parse("linf:0.1", lo=1, hi=0)


@pytest.mark.parametrize(
    ("text", "shape", "dtype"),
    [
        ("linf:1e-7", (4,), torch.float32),
        ("l1:0.05", (3, 224, 224), torch.float32),
        ("linf:8/255", (4,), torch.bfloat16),
    ],
)
def test_an_eps_that_rounding_would_eat_is_refused(text, shape, dtype):
    x = torch.full((1, *shape), 0.5, dtype=dtype)
    with pytest.raises(ValueError, match="is too small for inputs of type"):
        LpThreat.parse(text).project(x, x)


@pytest.mark.parametrize(
    ("text", "shape"), [("linf:1/255", (3, 224, 224)), ("l2:0.5", (3, 224, 224)), ("l1:60", (3, 224, 224))]
)
def test_the_margin_of_usual_threats_is_below_a_part_in_500(text, shape):
    x = torch.full((1, *shape), 0.5)
    threat = LpThreat.parse(text)
    there = threat.project(x + threat.project(torch.rand(1, *shape), x) - 0.5 + 10 * (torch.rand(1, *shape) - 0.5), x)

    assert threat.size(there.double(), x.double()) > 0.998 * float(threat.eps)


@st.composite
def planes(draw):
    """Draw (threat, x in the box, slope with zeros in it, gap of either sign), in float64."""
    lo, hi = draw(st.sampled_from([(0.0, 1.0), (-2.5, 3.0)]))
    threat = LpThreat(draw(st.sampled_from(NORMS)), Fraction(1, 2), lo, hi)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    x = (lo + (hi - lo) * torch.rand(3, 6, generator=generator, dtype=torch.float64)).clamp(lo + 0.1, hi)
    slope = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    slope[torch.rand(3, 6, generator=generator) < 0.2] = 0
    gap = draw(st.sampled_from([0.01, 0.5, 2.0, 100.0])) * torch.randn(3, generator=generator, dtype=torch.float64)
    return threat, x, slope, gap


def shortest(threat, x, slope, gap):
    """Return the length of the shortest way in the box to the plane, by scipy; inf if the box has none."""
    bounds = [(threat.lo - v, threat.hi - v) for v in x]
    n = len(x)
    if threat.norm == "l2":
        if not linprog([0] * n, A_eq=[slope], b_eq=[gap], bounds=bounds).success:
            return np.inf
        on_plane = {"type": "eq", "fun": lambda d: slope @ d - gap, "jac": lambda d: slope}
        found = minimize(
            lambda d: d @ d, np.zeros(n), jac=lambda d: 2 * d, bounds=bounds, constraints=on_plane, tol=1e-12
        )
        return np.sqrt(found.fun)
    # minimise the sum of t, or one t for all, over -t <= d <= t
    many = n if threat.norm == "l1" else 1
    beside = np.eye(n) if many == n else np.ones((n, 1))
    above = np.block([[np.eye(n), -beside], [-np.eye(n), -beside]])
    found = linprog(
        [0] * n + [1] * many,
        A_ub=above,
        b_ub=np.zeros(2 * n),
        A_eq=[[*slope, *[0] * many]],
        b_eq=[gap],
        bounds=bounds + [(0, None)] * many,
    )
    return found.fun if found.success else np.inf


@given(planes())
@settings(max_examples=100, deadline=None)
def test_the_way_to_a_plane_is_the_shortest_within_the_box(case):
    threat, x, slope, gap = case
    there = threat.to_plane(x, slope, gap)

    assert ((there >= threat.lo) & (there <= threat.hi)).all()
    best = torch.tensor(
        [shortest(threat, *row) for row in zip(x.numpy(), slope.numpy(), gap.numpy(), strict=True)], dtype=x.dtype
    )
    can = best.isfinite()
    reached = (slope * (there - x)).sum(1)
    torch.testing.assert_close(reached[can], gap[can], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(threat.size(there, x)[can], best[can], rtol=1e-4, atol=1e-6)
    # where the plane is out of reach, nothing within the box is nearer to it
    edge = torch.where(slope * gap[:, None] > 0, threat.hi, threat.lo).to(x)
    farthest = torch.where(slope == 0, x, edge)
    torch.testing.assert_close(there[~can], farthest[~can])


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_way_to_a_plane_does_not_depend_on_the_size_of_the_slope(norm, dtype):
    """A power of 2 rounds nothing, and the slopes of a float32 that are squared leave its range at 1e-19 and 1e19."""
    slope, room = torch.rand(2, 6, 40, generator=torch.Generator().manual_seed(0), dtype=dtype)
    gain = (slope * room).sum(1, keepdim=True) * torch.linspace(0, 1.2, 6, dtype=dtype)[:, None]
    usual = to_plane(norm, slope, room, gain)

    for power in (-100, -64, -20, 20, 64, 100):
        assert torch.equal(to_plane(norm, slope * 2.0**power, room, gain * 2.0**power), usual)
    torch.testing.assert_close((slope * usual).sum(1, keepdim=True)[:5], gain[:5])


def test_the_way_to_a_plane_of_slopes_below_1e_19_is_along_them():
    slope, room = torch.tensor([[3e-20, 4e-20], [3e-38, 4e-38], [0.0, 0.0]]), torch.ones(3, 2)

    found = to_plane("l2", slope, room, torch.tensor([[2.5e-20], [2.5e-38], [0.1]]))
    torch.testing.assert_close(found, torch.tensor([[0.3, 0.4], [0.3, 0.4], [0.0, 0.0]]))
    assert not to_plane("l2", slope, room, torch.full((3, 1), torch.nan)).any()
