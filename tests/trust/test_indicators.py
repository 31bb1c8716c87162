"""The signs: each finds its fault, none an honest model's, and none is told as checked where it means nothing."""

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

import pytest
import torch
from torch import nn

from robust.attacks.external.torchattacks import Answer
from robust.attacks.registry import ATTACKS
from robust.attacks.threats.threat import read_threat
from robust.data.dataset import DATA
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import measure_attack, measure_clean
from robust.flags import union
from robust.models.program import Batched
from robust.records.trust import NotApplicableError
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, examine
from robust.trust.indicators.more_steps_pay import longer
from robust.trust.indicators.transfer_wins import fit_substitute
from tests.trust import defences as d

DIGITS = DATA.get("digits")
WEAK = "pgd:start=0:steps=4:stride=0.1"  # it gets no further than 0.4 eps


@cache
def samples():
    return DIGITS.load("test", 150)


def nearest():
    """The class whose mean is nearest: nine in ten digits, nothing to train, and linear, so that fgsm is optimal."""
    train = DIGITS.load("train")
    means = torch.stack([torch.from_numpy(train.x[train.y == k]).flatten(1).mean(0) for k in range(10)])
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with torch.no_grad():
        net[1].weight.copy_(2 * means)
        net[1].bias.copy_(-means.square().sum(1))
    return net


def trial(module, *attacks, threat="linf:0.1", **more):
    module.eval()
    allowed, correct = read_threat(threat), measure_clean(module, samples()).correct
    adversarial = union(measure_attack(module, samples(), correct, attack, allowed).adversarial for attack in attacks)
    return AttackProbe(module, samples(), correct, adversarial, allowed, attacks, 10, 0, Batcher(100), **more)


class Band(nn.Module):
    """Another answer where the pixels are between two distances from whole grey levels, and no sooner or later."""

    def __init__(self, low, high):
        super().__init__()
        self.base, self.low, self.high = nearest(), low, high

    def forward(self, x):
        away = ((16 * x).round() / 16 - x).detach().abs().flatten(1).amax(1, keepdim=True)
        logits = self.base(x)
        return torch.where((away > self.low) & (away < self.high), logits.roll(1, 1), logits)


class Jumpy(nn.Module):
    """The margin is up to ten times as large, as chance would have it from place to place."""

    def __init__(self):
        super().__init__()
        self.base = nearest()

    def forward(self, x):
        return self.base(x) * (1 + 9 * (1e4 * x.detach().flatten(1).sum(1, keepdim=True)).sin().abs())


class Fine(nn.Module):
    """A ripple of no height to speak of, and steep."""

    def forward(self, x):
        return x + 1e-5 * (1e9 * x.double()).sin().to(x)


@dataclass(frozen=True)
class Forgetful:
    """Asks about the corner that fgsm would take, and returns its start."""

    steps: ClassVar[int] = 1

    def init(self, task):
        return Answer(task.x, None)

    def step(self, task, state, k):
        _, _, grad = task.ascent(task.x, "ce")
        task.logits(task.threat.project(task.threat.step(task.x, grad, float(task.threat.eps)), task.x))
        return state


@pytest.fixture
def forgetful():
    with ATTACKS.adding("forgetful", Forgetful):
        yield


FAULTS = [
    ("zero-gradient", "broken", lambda: trial(d.Before(nearest(), d.Rounded(16)), "pgd")),
    ("nan-gradient", "broken", lambda: trial(d.Before(nearest(), d.Rooted()), "pgd")),
    ("exploding-gradient", "broken", lambda: trial(d.Before(nearest(), Fine()), "pgd:steps=5")),
    ("shattered-gradient", "broken", lambda: trial(d.Before(nearest(), d.Ripple(0.01, 10)), "pgd:steps=5")),
    ("saturated-loss", "broken", lambda: trial(d.Scaled(nearest(), 1000), "pgd")),
    ("randomised", "broken", lambda: trial(d.Before(nearest(), d.Dropped(0.3)), "fgsm")),
    ("single-step-wins", "broken", lambda: trial(nearest(), WEAK)),
    ("not-monotone", "broken", lambda: trial(Band(0.004, 0.006), "pgd:start=0:steps=2:stride=1", threat="linf:0.01")),
    ("not-monotone", "suspect", lambda: trial(Band(0.009, 0.011), "pgd:start=0:steps=2:stride=1", threat="linf:0.01")),
    ("unbounded-attack-fails", "broken", lambda: trial(d.Before(nearest(), d.Rounded(16)), "pgd")),
    ("noise-wins", "broken", lambda: trial(d.Before(nearest(), d.Rounded(64)), "fgsm", threat="linf:0.3")),
    ("gradient-free-wins", "broken", lambda: trial(d.Before(nearest(), d.Rounded(16)), "pgd")),
    ("transfer-wins", "broken", lambda: trial(d.Before(nearest(), d.Rounded(16)), "pgd")),
    ("more-steps-pay", "suspect", lambda: trial(nearest(), WEAK)),
    ("margin-wins", "suspect", lambda: trial(nearest(), "fgsm", "pgd", threat="l2:0.8")),
    ("unstable-predictions", "suspect", lambda: trial(Jumpy(), "fgsm")),
    ("binarisation", "broken", lambda: trial(d.Before(nearest(), d.Rounded(16)), "pgd")),
]


@pytest.mark.parametrize(("sign", "grade", "fault"), FAULTS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_sign_finds_its_fault(sign, grade, fault):
    doubt = INDICATORS.get(sign)(fault())

    assert (doubt.name, doubt.grade) == (sign, grade)
    assert "\n" not in doubt.told + doubt.hint


def test_an_attack_that_passes_over_what_it_met_is_found_out(forgetful):
    doubt = INDICATORS.get("silent-success")(trial(nearest(), "forgetful"))

    assert (doubt.name, doubt.grade) == ("silent-success", "broken")


SOUND = ("pgd:loss=margin:steps=10", "apgd:loss=dlr:steps=10:targets=3")


@pytest.mark.parametrize(
    ("threat", "row"),
    [*((threat, SOUND) for threat in ("linf:0.1", "l2:0.8", "linf:0.01")), ("linf:0.01", ("fgsm", "pgd"))],
)
def test_an_honest_model_is_trusted_and_nearly_all_is_checked(threat, row):
    trust = examine(INDICATORS, trial(nearest(), *row, threat=threat))

    assert trust.doubts == ()
    assert trust.skipped == ("silent-success",)
    assert trust.verdict == "trusted"


@pytest.mark.parametrize("size", [1, 7])
def test_an_honest_model_for_one_size_of_batch_is_trusted_too(size):
    trust = examine(INDICATORS, trial(Batched(nearest(), size, size), "pgd:steps=10"))

    assert trust.doubts == ()
    assert "binarisation" in trust.checked


def test_a_weak_attack_misses_what_the_binarisation_hides_and_an_ordinary_one_does_not():
    doubt = INDICATORS.get("binarisation")(trial(nearest(), WEAK))

    assert doubt.grade == "suspect"


def test_what_an_ordinary_attack_breaks_too_is_no_sign_of_masked_gradients():
    assert INDICATORS.get("gradient-free-wins")(trial(nearest(), WEAK)) is None


def test_of_a_row_without_gradients_it_says_that_too_little_was_asked():
    doubt = INDICATORS.get("gradient-free-wins")(trial(nearest(), "noise:steps=1"))

    assert doubt.grade == "suspect"
    assert doubt.told.endswith("samples that the row's attacks left; expected none")
    assert "gradient" not in doubt.told + doubt.hint


def test_every_sign_has_a_test():
    assert {sign for sign, _, _ in FAULTS} | {"silent-success"} == {*INDICATORS.names()}


BLIND = {"noise-wins", "gradient-free-wins", "transfer-wins"}


@pytest.mark.parametrize(
    ("make", "still_checked"),
    [
        (lambda: trial(nearest(), "square:steps=20"), BLIND),
        (
            lambda: trial(nearest(), "fgsm", threat="linf:0.1+l2:1"),
            {*BLIND, "margin-wins", "more-steps-pay", "randomised"},
        ),
    ],
    ids=["no gradient", "union"],
)
def test_what_means_nothing_is_not_told_as_checked(make, still_checked):
    trust = examine(INDICATORS, make())

    assert {*trust.checked} == still_checked
    assert {*trust.skipped} == {*INDICATORS.names()} - still_checked


def test_of_a_row_that_was_stopped_only_its_gradients_and_answers_are_looked_at():
    trust = examine(INDICATORS, replace(trial(nearest(), "pgd:steps=5"), partial=True))

    gradients = {f"{kind}-gradient" for kind in ("zero", "nan", "exploding", "shattered")}
    assert {*trust.checked} == {
        *gradients,
        "unbounded-attack-fails",
        "unstable-predictions",
        "binarisation",
        "randomised",
    }
    assert trust.verdict == "trusted"


@pytest.mark.parametrize("sign", ["gradient-free-wins", "binarisation"])
def test_these_are_not_for_l1(sign):
    with pytest.raises(NotApplicableError):
        INDICATORS.get(sign)(trial(nearest(), "fgsm", threat="l1:1"))


def test_without_a_linear_layer_there_is_nothing_to_binarise():
    net = nn.Sequential(nn.Conv2d(1, 10, 8), nn.Flatten())

    with pytest.raises(NotApplicableError, match="linear layer"):
        INDICATORS.get("binarisation")(trial(net, "fgsm"))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("pgd", ("pgd:steps=80", 80)),
        ("pgd:loss=margin:restarts=5:steps=30", ("pgd:loss=margin:steps=60", 60)),
        ("pgd:eot=5:steps=10", ("pgd:eot=5:steps=20", 20)),
        ("apgd:loss=dlr:targets=9", ("apgd:loss=dlr:steps=200", 200)),
        ("fgsm", ("pgd:steps=10", 10)),
        ("torchattacks:PGD", ("torchattacks:PGD", 1)),
    ],
)
def test_a_longer_attack_is_the_same_with_twice_its_steps(word, expected):
    assert longer(trial(nearest(), "fgsm"), word) == expected


def test_a_student_answers_what_it_was_told():
    x = torch.from_numpy(samples().x)
    labels = torch.arange(150) % 10
    student = fit_substitute(x, labels, 10)

    assert torch.equal(student(x).argmax(1), labels)
    assert math.isclose(student.width, float(torch.pdist(x.flatten(1)).median()))
