"""Bounds of random networks: below what points of the ball have; sought slopes are no worse. `make fuzz`: more."""

import os
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robust.attacks import LpThreat
from robust.certification import alpha
from robust.certification.alpha import bound_by_best_lines
from robust.certification.ball import Ball
from robust.certification.crown import bound_by_intervals, bound_by_lines
from robust.certification.read import read_graph
from tests.certification.networks import CLASSES, networks, redraw

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "7"))
fuzz = settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
WEIGHTS = 4  # of each network: most of the time goes into reading it
SAMPLES, POINTS, STEPS = 3, 60, 8
EPS = ["0.001", "0.03", "0.15", "0.5", "1"]
SCALES = [1.0, 1e6, 1e-3]


def margins_at(graph, x, y):
    """Return the label's logit less each other, (samples, points, classes - 1), for x, (samples, points, *features)."""
    logits = graph(x.flatten(0, 1)).unflatten(0, x.shape[:2])
    own = logits.gather(2, y[:, None, None].expand(-1, x.shape[1], 1))
    others = torch.stack([torch.cat([each[:, :k], each[:, k + 1 :]], 1) for each, k in zip(logits, y, strict=True)])
    return own - others


def onto(threat, points, x):
    """Return the nearest points in the ball and the box."""
    d = points - x
    eps = float(threat.eps)
    if threat.norm == "linf":
        d = d.clamp(-eps, eps)
    else:
        d = d * (eps / d.flatten(2).norm(dim=2).clamp_min(1e-300)).clamp_max(1).reshape(
            *d.shape[:2], *[1] * (d.dim() - 2)
        )
    return (x + d).clamp(threat.lo, threat.hi)


def worst_margins(graph, threat, x, y, generator):
    """Return the least margins that corners, random points and the iterates of PGD have, (samples, classes - 1)."""
    x = x.unsqueeze(1)
    noise = torch.randn(SAMPLES, POINTS, *x.shape[2:], generator=generator, dtype=x.dtype)
    noise[:, ::2] = noise[:, ::2].sign() * 4 * float(threat.eps)  # corners of the ball, and of the box
    points, least = onto(threat, x + noise, x), None
    for _ in range(STEPS):
        points.requires_grad_()
        found = margins_at(graph, points, y)
        each = found.detach().amin(1)
        least = each if least is None else least.fmin(each)
        column = torch.arange(POINTS) % (CLASSES - 1)  # each class is sought by its share of the points
        loss = found.gather(2, column.expand(SAMPLES, -1).unsqueeze(2)).sum()
        (slope,) = torch.autograd.grad(loss, points, allow_unused=True)
        with torch.no_grad():
            points = points if slope is None else onto(threat, points - slope.sign() * float(threat.eps) / 3, x)
    return least


def on_the_edge(shape, generator):
    """Draw samples, with about a third of their features at an end of the box."""
    x = torch.rand(SAMPLES, *shape, generator=generator, dtype=torch.float64)
    return (1.6 * x - 0.3).clamp(0, 1)


def assert_sound(graph, threat, x, y, generator):
    ball = Ball.around(x, threat)
    with torch.no_grad():
        by_intervals = bound_by_intervals(graph, ball).margins(y)
        bounds = bound_by_lines(graph, ball)
        by_lines = bounds.margins(y)
        scale = graph(x).abs().amax()
    by_slopes = bound_by_best_lines(bounds, y, by_lines)
    room = 1e-9 * (1 + scale)
    found = worst_margins(graph, threat, x, y, generator)
    assert torch.all(by_intervals <= found + room), (by_intervals - found).amax()
    assert torch.all(by_slopes <= found + room), (by_slopes - found).amax()
    assert torch.all(by_lines <= by_slopes + room), (by_lines - by_slopes).amax()


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """Let slopes be optimised for a few steps: any are sound."""
    monkeypatch.setattr(alpha, "STEPS", 4)
    monkeypatch.setattr(alpha, "INNER_STEPS", 2)


@fuzz
@given(st.data())
@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_no_point_of_the_ball_is_below_a_bound(norm, data):
    module, shape = data.draw(networks())
    graph = read_graph(module, torch.rand(1, *shape, dtype=torch.float64), live=True)
    for _ in range(WEIGHTS):
        seed = data.draw(st.integers(0, 2**31))
        generator = torch.Generator().manual_seed(seed)
        redraw(module, seed, data.draw(st.sampled_from(SCALES)))
        threat = LpThreat.parse(f"{norm}:{data.draw(st.sampled_from(EPS))}")
        y = torch.randint(CLASSES, (SAMPLES,), generator=generator)
        assert_sound(replace(graph, live=False, kept={}), threat, on_the_edge(shape, generator), y, generator)
