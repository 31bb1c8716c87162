"""Models that remember what they were asked, know their samples, or look at who asks."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robust.attacks import LpThreat
from robust.data.dataset import Dataset, Samples
from robust.evaluation.batching import Batcher
from robust.evaluation.time_limit import Deadline
from robust.records.trust import NotApplicableError
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, PREFLIGHT
from robust.trust.model_probe import ModelProbe

N, FEATURES, CLASSES = 40, 12, 4
# On the levels of 8 bits, as images are.
X = (np.random.default_rng(0).integers(26, 230, (N, FEATURES)) / 255).astype(np.float32)
WEIGHT = torch.from_numpy(np.random.default_rng(1).normal(size=(FEATURES, CLASSES))).float()
Y = torch.from_numpy(X).mm(WEIGHT).argmax(1).numpy()
DATA = Dataset("arrays", None, 0.0, 1.0, CLASSES, (FEATURES,), lambda split: (X, Y))
SAMPLES = Samples(X, Y, np.arange(N))


class Base(nn.Module):
    """A linear model, and a change that it makes of inputs and logits."""

    def __init__(self, change=lambda model, x, z: z):
        super().__init__()
        self.weight, self.change = nn.Parameter(WEIGHT.clone()), change

    def forward(self, x):
        return self.change(self, x, x @ self.weight.to(x))


def check(name, module, seconds=None):
    """Return what a preflight check finds."""
    deadline = None if seconds is None else Deadline(seconds)
    probe = ModelProbe(module.eval(), SAMPLES, DATA, 0, Batcher(16), deadline=deadline)
    return PREFLIGHT.get(name)(probe)


def make_probe(module, **changes):
    nobody, batcher = np.zeros(N, bool), Batcher(16)
    threat = LpThreat.parse("linf:0.1")
    return replace(
        AttackProbe(module.eval(), SAMPLES, ~nobody, nobody, threat, ("pgd",), CLASSES, 0, batcher), **changes
    )


def indicate(name, module, **changes):
    """Return what an indicator finds."""
    return INDICATORS.get(name)(make_probe(module, **changes))


def near(x, stored, radius):
    """Mark the inputs that are within a radius of a stored one, (n, 1)."""
    return torch.cdist(x.detach(), stored, p=torch.inf).amin(1, keepdim=True) <= radius


# keeps-state


class Remembers(Base):
    """The answer of a neighbourhood is that to the first input there."""

    def __init__(self):
        super().__init__()
        self.seen, self.answers = [], []

    def forward(self, x):
        z = super().forward(x)
        if self.seen:
            stored = torch.cat(self.seen)
            distance, which = torch.cdist(x.detach(), stored, p=torch.inf).min(1)
            z = torch.where(distance[:, None] < 0.05, torch.cat(self.answers)[which], z)
        self.seen.append(x.detach().clone())
        self.answers.append(z.detach().clone())
        return z


def test_a_list_on_the_module_is_found():
    finding = check("keeps-state", Remembers())

    assert (finding.name, finding.grade) == ("keeps-state", "suspect")
    assert "after others beside them" in finding.message


STORE: list[tuple[torch.Tensor, torch.Tensor]] = []


def recall(z, x, store):
    """Answer as the nearest input of the store, if it is near."""
    for seen, answer in store:
        z = torch.where(near(x, seen, 0.05), answer[torch.cdist(x.detach(), seen, p=torch.inf).argmin(1)], z)
    store.append((x.detach().clone(), z.detach().clone()))
    return z


def by_global():
    return lambda model, x, z: recall(z, x, STORE)


def by_closure():
    store = []
    return lambda model, x, z: recall(z, x, store)


def by_class():
    class Shared:
        store = []  # noqa: RUF012

    return lambda model, x, z: recall(z, x, Shared.store)


def by_default():
    return lambda model, x, z, store=[]: recall(z, x, store)


@pytest.mark.skipif(sys.platform != "linux", reason="a copy of the module shares these; forks are for Linux")
@pytest.mark.parametrize("keep", [by_global, by_closure, by_class, by_default])
def test_a_store_that_is_not_on_the_module_is_found(keep):
    STORE.clear()
    finding = check("keeps-state", Base(keep()))

    assert (finding.name, finding.grade) == ("keeps-state", "suspect")
    assert "after others beside them" in finding.message


def test_a_model_that_remembers_after_a_few_queries_alone_is_found():
    class Patient(Base):
        def __init__(self):
            super().__init__()
            self.seen, self.answers, self.asked = torch.zeros(0, FEATURES), torch.zeros(0, CLASSES), {}

        def forward(self, x):
            rows = [self.answer(one, logits) for one, logits in zip(x, super().forward(x), strict=True)]
            return torch.stack(rows)

        def answer(self, x, z):
            distance = (self.seen - x).abs().amax(1)
            if not len(distance) or distance.min() > 0.05:
                self.seen, self.answers = torch.cat((self.seen, x[None])), torch.cat((self.answers, z[None]))
                return z
            nearest = int(distance.argmin())
            self.asked[nearest] = self.asked.get(nearest, 0) + 1
            return self.answers[nearest] if self.asked[nearest] > 8 else z

    assert check("keeps-state", Patient()).name == "keeps-state"


@pytest.mark.skipif(sys.platform != "linux", reason="forks are for Linux")
def test_what_the_check_asks_beside_the_samples_is_not_kept_here():
    """The figures after it are those of a model that was asked its samples alone."""
    STORE.clear()
    check("keeps-state", Base(by_global()))

    assert all(near(x, torch.from_numpy(X), 1e-6).all() for x, _ in STORE)


@pytest.mark.parametrize("known", [False, True], ids=["nothing", "samples"])
def test_inputs_that_are_kept_and_never_compared_are_no_finding(known):
    class Logs(Base):
        def __init__(self):
            super().__init__()
            self.seen = [torch.from_numpy(X)] if known else []

        def forward(self, x):
            self.seen.append(x.detach().clone())
            return super().forward(x)

    assert check("keeps-state", Logs()) is None


# depends-on-queries


class Counts(Base):
    """A model that answers otherwise after so many calls; the counter is a global one."""

    calls = 0

    def __init__(self, limit):
        super().__init__()
        self.limit = limit
        Counts.calls = 0

    def forward(self, x):
        Counts.calls += 1
        return super().forward(x).roll(int(Counts.calls > self.limit), 1)


def test_a_global_counter_is_found_after_the_attacks():
    module = Counts(9)
    before = make_probe(module).answer()
    assert indicate("depends-on-queries", module, before=before) is None

    for _ in range(8):
        module(torch.from_numpy(X))
    module.limit = Counts.calls - 1
    finding = indicate("depends-on-queries", module, before=before)
    assert (finding.name, finding.grade) == ("depends-on-queries", "broken")
    assert finding.value > 0.1


def test_a_model_that_was_not_asked_before_cannot_be_compared():
    with pytest.raises(NotApplicableError, match="not asked before"):
        indicate("depends-on-queries", Base())


def test_a_random_model_cannot_be_compared():
    module = Base(lambda model, x, z: z + torch.rand(z.shape))
    with pytest.raises(NotApplicableError, match="random"):
        indicate("depends-on-queries", module, before=torch.zeros(N, CLASSES))


# memorised


def memorise(radius):
    """Make a model that answers within a radius of its samples by their labels, ten times as sure as elsewhere."""
    stored, labels = torch.from_numpy(X), torch.from_numpy(Y)

    def change(model, x, z):
        which = torch.cdist(x.detach(), stored, p=torch.inf).argmin(1)
        sure = 30.0 * F.one_hot(labels[which], CLASSES).to(z)
        return torch.where(near(x, stored, radius), sure + 0 * z, z)

    return Base(change)


@pytest.mark.parametrize("radius", [1e-6, 0.004, 0.03, 0.06, 0.11, 0.2])
def test_a_ball_around_the_samples_is_found(radius):
    finding = indicate("memorised", memorise(radius))

    assert (finding.name, finding.grade) == ("memorised", "broken")
    assert finding.value == 1.0
    first, last = (float(word) for word in finding.message.split(" eps ")[0].split()[1::2])
    assert first <= 10 * radius <= last


@pytest.mark.parametrize("radius", [0.0, 10.0], ids=["nowhere", "everywhere"])
def test_a_model_without_an_edge_is_not(radius):
    assert indicate("memorised", memorise(radius) if radius else Base()) is None


@pytest.mark.parametrize(
    "sound",
    [
        Base(lambda model, x, z: z.exp()),
        Base(lambda model, x, z: 30 * z.tanh()),
        Base(lambda model, x, z: (4 * z).round() / 4),
        Base(lambda model, x, z: (z - z.amax(1, keepdim=True)).relu() + z.relu()),
    ],
    ids=["ever faster", "saturated", "rounded", "kinks"],
)
def test_edges_of_each_samples_own_are_no_finding(sound):
    assert indicate("memorised", sound) is None


LEVELS = np.round(4 * X).astype(np.float32) / 4


@pytest.mark.parametrize("sure", [0, 30], ids=["rounds", "rounds and memorises"])
def test_edges_between_the_levels_of_the_data_are_no_finding_and_hide_none(sure):
    """All values are quarters, and the model rounds to quarters: its edges are an eighth from each sample."""
    stored = torch.from_numpy(LEVELS)

    def change(model, x, z):
        z = ((4 * x).round() / 4) @ model.weight
        return z + sure * near(x, stored, 0.06) * F.one_hot(z.argmax(1), CLASSES)

    module = Base(change)
    samples = Samples(LEVELS, module(stored).argmax(1).numpy(), np.arange(N))
    finding = indicate("memorised", module, samples=samples)

    assert (finding is not None) == bool(sure)


def pull(stored):
    """Make a model that takes inputs near a stored one for nearer to it than they are."""

    def change(model, x, z):
        nearest = stored[torch.cdist(x.detach(), stored, p=torch.inf).argmin(1)]
        offset = x - nearest
        distance = (offset / 0.1).square().mean(1, keepdim=True)
        return (nearest + offset * distance / (1 + distance)) @ model.weight

    return Base(change)


def test_a_gradient_that_is_small_at_the_samples_alone_is_found():
    finding = indicate("memorised", pull(torch.from_numpy(X)))

    assert (finding.name, finding.grade) == ("memorised", "broken")
    assert "0.25 eps from the samples the gradient is" in finding.message


def test_a_gradient_that_is_small_at_other_inputs_too_is_no_finding():
    """All inputs are on the levels of the data, and the model is flat at each of these."""
    smooth = Base(lambda model, x, z: (x - (2 * torch.pi * 4 * x).sin() / (2 * torch.pi * 4)) @ model.weight)
    samples = Samples(LEVELS, smooth(torch.from_numpy(LEVELS)).argmax(1).numpy(), np.arange(N))

    assert indicate("memorised", smooth, samples=samples) is None


# depends-on-grad


@pytest.mark.parametrize("seconds", [None, 1000])
@pytest.mark.parametrize(
    "look",
    [lambda x: x.requires_grad, lambda x: torch.is_grad_enabled()],
    ids=["requires_grad", "is_grad_enabled"],
)
def test_a_model_that_looks_whether_a_gradient_is_asked_for_is_found(look, seconds):
    finding = check("depends-on-grad", Base(lambda model, x, z: z.roll(int(look(x)), 1)), seconds)

    assert (finding.name, finding.grade) == ("depends-on-grad", "broken")
    assert finding.value > 0.1


@pytest.mark.parametrize("seconds", [None, 1000])
def test_kernels_that_round_otherwise_are_no_finding(seconds):
    module = Base(lambda model, x, z: z * (1 + 1e-3 * torch.is_grad_enabled()))

    assert check("depends-on-grad", module, seconds) is None


# depends-on-grid


def on_grid(x):
    return ((255 * x).round() / 255 - x).detach().abs().amax(1, keepdim=True) < 1e-7


@pytest.mark.parametrize(
    "change",
    [
        lambda model, x, z: torch.where(on_grid(x), z, z.roll(1, 1)),
        lambda model, x, z: torch.where(near(x, torch.from_numpy(X), 1e-8), z, z.roll(1, 1)),
        lambda model, x, z: torch.where(near(x, torch.from_numpy(X), 5e-4), z, z.roll(1, 1)),
    ],
    ids=["levels", "samples", "within a quarter of a level"],
)
def test_a_model_that_looks_at_the_grid_is_found(change):
    finding = check("depends-on-grid", Base(change))

    assert (finding.name, finding.grade) == ("depends-on-grid", "broken")


@pytest.mark.parametrize("levels", [255, 15, 2])
def test_a_model_that_rounds_its_inputs_is_not(levels):
    def change(model, x, z):
        return ((levels * x).round() / levels) @ model.weight

    assert check("depends-on-grid", Base(change)) is None


def test_a_gradient_that_is_lost_between_the_levels_alone_is_found():
    """The answers are as good as the same: a level is far larger than the step."""

    def snap(model, x, z):
        level = (8 * x).round() / 8
        return torch.where((level - x).abs() > 1e-6, level.detach(), x) @ model.weight

    on_grid = ((8 * X).round() / 8).astype(np.float32)
    probe = ModelProbe(Base(snap), replace(SAMPLES, x=on_grid), DATA, 0, Batcher(16))
    finding = PREFLIGHT.get("depends-on-grid")(probe)

    assert (finding.name, finding.grade) == ("depends-on-grid", "broken")
    assert "of a gradient's elements 0" in finding.message


# sets-seed


def draw_by(seed):
    def change(model, x, z):
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed(x))
            return z + torch.randn_like(z)

    return change


@pytest.mark.parametrize("seed", [lambda x: 0, lambda x: int(1e4 * x.sum())], ids=["fixed", "of the input"])
def test_a_model_that_sets_its_own_seed_is_found(seed):
    finding = check("sets-seed", Base(draw_by(seed)))

    assert (finding.name, finding.grade) == ("sets-seed", "suspect")


@pytest.mark.parametrize(
    "change",
    [lambda model, x, z: z, lambda model, x, z: z + torch.rand(z.shape), lambda model, x, z: F.dropout(z, 0.0)],
    ids=["draws nothing", "is random", "drops nothing"],
)
def test_a_model_that_sets_none_is_not(change):
    assert check("sets-seed", Base(change)) is None
