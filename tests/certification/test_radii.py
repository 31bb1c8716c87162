"""Certified radii beside exact distances; what a search goes on from, shares out, and does when its time is up."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks import LpThreat
from robust.attacks.threats.threat import read_threat
from robust.certification import NoBoundsError, certify_radii
from robust.certification import journal as journals
from robust.certification.certify import Certifier
from robust.certification.journal import Journal
from robust.certification.radius import NEAR, Aim, RadiusSearch, Reached
from robust.data.dataset import Samples
from robust.evaluation import measure_curve
from robust.records.radii import round_down
from tests.attacks.models import Affine, inputs
from tests.oracles.margins import adversarial_distance
from tests.oracles.regions import layers_of

WIDE = (-5.0, 5.0)


@pytest.mark.parametrize("method", ["ibp", "alpha-crown"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_radii_of_a_linear_model_are_its_distances(norm, method):
    affine, model, x = Affine(4), nn.Linear(12, 4, bias=False), inputs(12, (12,)).float() - 0.5
    model.weight.data = affine.weight.data.float()
    y = model(x).argmax(1)
    y[0] = (y[0] + 1) % 4
    exact = affine.distance(x.double(), norm).detach().numpy()
    end = float(np.quantile(exact, 0.7))
    found = certify_radii(model, x, y, LpThreat.parse(f"{norm}:{end}", *WIDE), method)

    assert found.radius[0] == 0
    assert (found.radius[1:] <= np.minimum(exact, end)[1:] * (1 + 1e-6)).all()
    assert (found.radius[1:] >= (np.minimum(exact, end) - 2 * NEAR * end - 1e-4)[1:]).all()
    assert (found.radius[1:][exact[1:] > end * 1.01] == np.float32(end)).all()


def test_a_radius_of_a_tiny_network_is_below_its_distance_and_that_below_the_found_one():
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    x = torch.rand(4, 4)
    y = model(x).argmax(1)
    found = measure_curve(model, x, y, "linf", end=0.5)
    layers = layers_of(model)
    exact = [adversarial_distance(layers, z.double().numpy(), int(label)) for z, label in zip(x, y, strict=True)]
    for method in ("ibp", "alpha-crown"):
        radius = certify_radii(model, x, y, LpThreat.parse("linf:0.5"), method).radius
        assert (radius > 0).all()
        assert (radius <= exact).all()
        assert (exact <= found.distance * (1 + 1e-6)).all()


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_each_sample_of_a_batch_has_a_ball_of_its_own(norm):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))
    x = torch.rand(5, 6)
    y, eps = net(x).argmax(1), np.array([0.01, 0.3, 0.05, 0.1, 0.02])
    certifier = Certifier.of(net, x[:1], LpThreat.parse(f"{norm}:1"))
    for method in ("ibp", "crown", "alpha-crown"):
        together_ = certifier.within(eps).bound(x, y, method)
        alone = [
            replace(certifier, parts=(LpThreat.parse(f"{norm}:{radius}"),)).bound(x[k : k + 1], y[k : k + 1], method)
            for k, radius in enumerate(eps)
        ]
        torch.testing.assert_close(together_, torch.cat(alone), atol=1e-4, rtol=1e-3)


N = 24


def search(limit=8, **changes):
    """Return the search of a small network's radii, in batches of so many."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))
    x = torch.rand(N, 6)
    samples = Samples(x.numpy(), net(x).argmax(1).numpy(), np.arange(N))
    certifier = Certifier.of(net, x[:1], LpThreat.parse("linf:0.4"))
    distance = np.where(np.arange(N) < 3, 0, np.linspace(0.02, 0.6, N))
    aim = Aim(np.where(np.arange(N) == 20, 0.001, 0), distance, 0.4, (0.001,))
    return RadiusSearch(replace(certifier, limits={"ibp": limit, "crown": limit}), samples, aim, **changes)


@pytest.fixture(scope="module")
def whole():
    return search().run("crown")


def test_what_the_time_ends_is_proved_and_what_was_reached_goes_on(tmp_path, whole, monkeypatch):
    monkeypatch.setattr(journals, "EVERY", -1)
    calls, bound = [], Certifier.bound
    monkeypatch.setattr(Certifier, "bound", lambda *args: calls.append(args) or bound(*args))
    late = search(journal=Journal(tmp_path), stop=lambda: len(calls) >= 20).run("crown")

    assert late.partial == "time"
    assert 0 < late.radius.sum() < whole.radius.sum()
    assert (late.radius <= whole.radius).all()
    before = len(calls)
    again = search(journal=Journal(tmp_path)).run("crown")
    assert (again.radius == whole.radius).all()
    asked = len(calls)
    search().run("crown")
    assert asked - before == len(calls) - asked - 19  # of the 20 that were begun the last was stopped


def test_one_that_is_interrupted_is_kept(tmp_path, monkeypatch):
    def interrupt(left):
        raise KeyboardInterrupt

    bound = Certifier.bound
    calls = iter(range(100))
    monkeypatch.setattr(Certifier, "bound", lambda *args: interrupt(0) if next(calls) == 5 else bound(*args))
    asked = search(journal=Journal(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        asked.run("crown")
    reached = Reached.read(Journal(tmp_path), asked.aim)
    assert reached.describe("crown") == f"{reached.step.mean() / 16:.0%} of the bisections of {N} radii"
    assert reached.step.max() == 2


def test_a_distance_that_is_proved_to_hold_none_is_a_contradiction(whole):
    aim = search().aim

    assert (whole.radius[:3] == 0).all()
    assert (whole.radius[3:] <= aim.end).all()
    assert whole.radius[20] >= np.float32(0.001)
    contradicted = whole.radius >= aim.distance.astype(np.float32)
    assert contradicted[3:].any()  # since the distances are none that was measured
    assert not contradicted[aim.distance > aim.end].any()


def test_rounding_is_downwards_but_for_what_is_proved_at_a_planned_eps():
    stored = round_down(np.array([0.1, 0.2, 1 / 3, 0.0]), [0.1])

    assert float(stored[0]) == float(np.float32(0.1)) > 0.1
    assert (stored[1:].astype(float) <= [0.2, 1 / 3, 0.0]).all()


def test_what_has_no_radius_is_told():
    net, x = nn.Linear(3, 2), torch.rand(2, 3)
    y = net(x).argmax(1)
    with pytest.raises(ValueError, match=r"a radius is of one ball, and linf:0.1\+l2:1 is a union; give one of its"):
        certify_radii(net, x, y, read_threat("linf:0.1+l2:1"))
    with pytest.raises(NoBoundsError, match="certificates are for linf and l2"):
        certify_radii(net, x, y, LpThreat.parse("l1:1"))
