"""The indicators: each finds its own fault, none finds one in a sound model, and none runs if it would mean nothing."""

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
from robust.evaluation.time_limit import Deadline
from robust.flags import union
from robust.models.program import Batched
from robust.models.traits import QUERIED
from robust.records.trust import NotApplicableError
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, examine
from robust.trust.indicators.more_steps_pay import lengthen
from robust.trust.indicators.transfer_wins import fit_substitute
from robust.trust.row_probe import ORDINARY
from tests.trust import defences as d
from tests.trust import faults as f
from tests.trust.misleading import Hidden, OneDecoy, Thermostat

DIGITS = DATA.get("digits")
WEAK = "pgd:start=0:steps=4:stride=0.1"  # reaches at most 0.4 eps


@cache
def samples():
    return DIGITS.load("test", 150)


def make_probe(module, *attacks, threat="linf:0.1", **more):
    module.eval()
    ball, correct = read_threat(threat), measure_clean(module, samples()).correct
    adversarial = union(measure_attack(module, samples(), correct, attack, ball).adversarial for attack in attacks)
    return AttackProbe(module, samples(), correct, adversarial, ball, attacks, 10, 0, Batcher(100), **more)


class Closed(nn.Module):
    """A model that only answers, as an endpoint does."""

    def __init__(self, base):
        super().__init__()
        self.base = base

    def forward(self, x):
        return self.base(x).detach()


class Labels(Closed):
    """A function around a network, whose answers are labels alone."""

    def forward(self, x):
        return nn.functional.one_hot(self.base(x.detach()).argmax(1), 10).float()


def test_logits_that_no_gradient_leads_from_are_not_followed():
    with pytest.raises(NotApplicableError, match="no gradient leads from the logits of base"):
        INDICATORS.get("hidden-logits-win")(make_probe(Labels(f.make_linear()), "square:steps=20"))


def make_black_box(*attacks):
    module = Closed(f.make_linear())
    setattr(module, QUERIED, True)
    return make_probe(module, *attacks)


@dataclass(frozen=True)
class Forgetful:
    """An attack that queries the corner that FGSM would return, and returns its start."""

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


def make_decoy():
    torch.manual_seed(0)
    return OneDecoy(f.make_linear(), nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), 5, 0.05, 30.0)


def make_hidden():
    return Hidden(Thermostat(f.make_linear(), 1.5, 1.0))


FAULTS = [
    ("zero-gradient", "broken", lambda: make_probe(d.Before(f.make_linear(), d.Rounded(16)), "pgd")),
    ("nan-gradient", "broken", lambda: make_probe(d.Before(f.make_linear(), d.Rooted()), "pgd")),
    ("exploding-gradient", "broken", lambda: make_probe(d.Before(f.make_linear(), f.Fine()), "pgd:steps=5")),
    ("shattered-gradient", "broken", lambda: make_probe(d.Before(f.make_linear(), d.Ripple(0.01, 10)), "pgd:steps=5")),
    ("saturated-loss", "broken", lambda: make_probe(d.Scaled(f.make_linear(), 1000), "pgd")),
    ("randomised", "broken", lambda: make_probe(d.Before(f.make_linear(), d.Dropped(0.3)), "fgsm")),
    ("single-step-wins", "broken", lambda: make_probe(f.make_linear(), WEAK)),
    (
        "not-monotone",
        "broken",
        lambda: make_probe(f.Band(0.004, 0.006), "pgd:start=0:steps=2:stride=1", threat="linf:0.01"),
    ),
    (
        "not-monotone",
        "suspect",
        lambda: make_probe(f.Band(0.009, 0.011), "pgd:start=0:steps=2:stride=1", threat="linf:0.01"),
    ),
    ("unbounded-attack-fails", "broken", lambda: make_probe(d.Before(f.make_linear(), d.Rounded(16)), "pgd")),
    ("noise-wins", "broken", lambda: make_probe(d.Before(f.make_linear(), d.Rounded(64)), "fgsm", threat="linf:0.3")),
    ("gradient-free-wins", "broken", lambda: make_probe(d.Before(f.make_linear(), d.Rounded(16)), "pgd")),
    ("transfer-wins", "broken", lambda: make_probe(d.Before(f.make_linear(), d.Rounded(16)), "pgd")),
    ("more-steps-pay", "suspect", lambda: make_probe(f.make_linear(), WEAK)),
    ("margin-wins", "suspect", lambda: make_probe(f.make_linear(), "fgsm", "pgd", threat="l2:0.8")),
    ("targets-win", "suspect", lambda: make_probe(make_decoy(), "fgsm", "pgd", threat="l2:1")),
    ("unstable-predictions", "suspect", lambda: make_probe(f.Jumpy(), "fgsm")),
    ("wrong-gradient", "suspect", lambda: make_probe(d.Detached(f.make_linear(), 0.1), "pgd")),
    ("labels-win", "broken", lambda: make_probe(d.Before(f.make_linear(), d.Rounded(16)), "pgd", threat="linf:0.2")),
    ("labels-win", "broken", lambda: make_probe(make_hidden(), "pgd", ORDINARY, threat="l2:1")),
    ("binarisation", "broken", lambda: make_probe(d.Before(f.make_linear(), d.Rounded(16)), "pgd")),
]


@pytest.mark.parametrize(("name", "grade", "fault"), FAULTS, ids=lambda value: value if isinstance(value, str) else "")
def test_an_indicator_finds_its_fault(name, grade, fault):
    finding = INDICATORS.get(name)(fault())

    assert (finding.name, finding.grade) == (name, grade)
    assert "\n" not in finding.message + finding.hint


def test_an_attack_that_does_not_return_an_adversarial_query_is_found(forgetful):
    finding = INDICATORS.get("silent-success")(make_probe(f.make_linear(), "forgetful"))

    assert (finding.name, finding.grade) == ("silent-success", "broken")


SOUND_ATTACKS = ("pgd:loss=margin:steps=10", "apgd:loss=dlr:steps=10:targets=3")


@pytest.mark.parametrize(
    ("threat", "row"),
    [*((threat, SOUND_ATTACKS) for threat in ("linf:0.1", "l2:0.8", "linf:0.01")), ("linf:0.01", ("fgsm", "pgd"))],
)
def test_a_sound_model_is_trusted_and_nearly_all_is_checked(threat, row):
    report = examine(INDICATORS, make_probe(f.make_linear(), *row, threat=threat))

    assert report.findings == ()
    unknown = {"depends-on-queries", "easy-samples", "training-samples"}  # no data set, no answers from before
    assert {*report.skipped} == {"silent-success", "hidden-logits-win"} | unknown
    assert report.verdict == "trusted"


@pytest.mark.parametrize("size", [1, 7])
def test_a_sound_model_with_a_fixed_batch_size_is_trusted_too(size):
    report = examine(INDICATORS, make_probe(Batched(f.make_linear(), size, size), "pgd:steps=10"))

    assert report.findings == ()
    assert "binarisation" in report.checked


def test_a_weak_attack_fails_on_the_binarised_task_and_an_ordinary_one_does_not():
    finding = INDICATORS.get("binarisation")(make_probe(f.make_linear(), "pgd:start=0:steps=2:stride=0.1"))

    assert finding.grade == "suspect"


def test_samples_that_an_ordinary_attack_breaks_do_not_indicate_masked_gradients():
    assert INDICATORS.get("gradient-free-wins")(make_probe(f.make_linear(), WEAK)) is None


def test_a_row_of_queries_alone_is_held_to_an_ordinary_attack_along_the_gradient():
    report = examine(INDICATORS, make_probe(f.make_linear(), "noise:steps=1"))

    assert {(finding.name, finding.grade, finding.weak) for finding in report.findings} == {
        ("margin-wins", "suspect", True),
        ("more-steps-pay", "suspect", True),
    }


def test_a_row_on_a_black_box_is_found_to_query_too_little():
    finding = INDICATORS.get("gradient-free-wins")(make_black_box("noise:steps=1"))

    assert finding.grade == "suspect"
    assert finding.message.endswith("samples that the row's attacks left robust; expected none")
    assert "gradient" not in finding.message + finding.hint


def test_every_indicator_has_a_test():
    assert {name for name, _, _ in FAULTS} | {"silent-success"} | ELSEWHERE == {*INDICATORS.names()}


# Tests of memory, of samples, and of logits that mislead are in files of their own.
SAMPLES = {"duplicates", "few-samples", "one-class"}
ELSEWHERE = SAMPLES | {"depends-on-queries", "memorised", "easy-samples", "training-samples", "hidden-logits-win"}
GRADIENT_FREE = {"noise-wins", "gradient-free-wins", "transfer-wins"}


@pytest.mark.parametrize(
    ("make", "checked"),
    [
        (lambda: make_black_box("square:steps=20"), {*GRADIENT_FREE, *SAMPLES, "labels-win", "memorised"}),
        (
            lambda: make_probe(f.make_linear(), "fgsm", threat="linf:0.1+l2:1"),
            {*GRADIENT_FREE, *SAMPLES, "margin-wins", "more-steps-pay", "randomised", "targets-win", "labels-win"},
        ),
    ],
    ids=["no gradient", "union"],
)
def test_an_indicator_that_would_mean_nothing_is_skipped(make, checked):
    report = examine(INDICATORS, make())

    assert {*report.checked} == checked
    assert {*report.skipped} == {*INDICATORS.names()} - checked


def test_a_row_that_was_stopped_is_checked_only_by_its_gradients_and_answers():
    report = examine(INDICATORS, replace(make_probe(f.make_linear(), "pgd:steps=5"), partial=True))

    gradients = {f"{kind}-gradient" for kind in ("zero", "nan", "exploding", "shattered")}
    assert {*report.checked} == {
        *gradients,
        *SAMPLES,
        "memorised",
        "wrong-gradient",
        "unbounded-attack-fails",
        "unstable-predictions",
        "binarisation",
        "randomised",
    }
    assert report.verdict == "trusted"


@pytest.mark.parametrize("name", ["gradient-free-wins", "binarisation"])
def test_these_do_not_apply_to_l1(name):
    with pytest.raises(NotApplicableError):
        INDICATORS.get(name)(make_probe(f.make_linear(), "fgsm", threat="l1:1"))


def test_binarisation_needs_a_linear_layer():
    net = nn.Sequential(nn.Conv2d(1, 10, 8), nn.Flatten())

    with pytest.raises(NotApplicableError, match="linear layer"):
        INDICATORS.get("binarisation")(make_probe(net, "fgsm"))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("pgd", ("pgd:steps=80", 80)),
        ("pgd:loss=margin:restarts=5:steps=30", ("pgd:loss=margin:steps=60", 60)),
        ("pgd:eot=5:steps=10", ("pgd:eot=5:steps=20", 20)),
        ("apgd:loss=dlr:targets=9", ("apgd:loss=dlr:steps=200", 200)),
        ("fgsm", ("pgd:steps=10", 10)),
        ("torchattacks:PGD", ("torchattacks:PGD", 1)),
    ],
)
def test_a_longer_attack_is_the_same_with_twice_its_steps(spec, expected):
    assert lengthen(make_probe(f.make_linear(), "fgsm"), spec) == expected


def test_a_substitute_learns_its_labels():
    x = torch.from_numpy(samples().x)
    labels = torch.arange(150) % 10
    substitute = fit_substitute(x, labels, 10)

    assert torch.equal(substitute(x).argmax(1), labels)
    assert math.isclose(substitute.width, float(torch.pdist(x.flatten(1)).median()))


def test_the_cheapest_check_comes_first_and_one_without_time_is_not_started():
    probe, order = make_probe(f.make_linear(), "pgd:steps=5"), []
    report = examine(
        INDICATORS, probe, has_time=lambda passes: passes < 500, watch=lambda name, share: order.append(name)
    )

    assert order.index("unstable-predictions") < order.index("margin-wins") < order.index("gradient-free-wins")
    assert {"gradient-free-wins", "binarisation"} <= {*report.not_run}
    assert {"unstable-predictions", "zero-gradient"} <= {*report.checked}
    assert report.not_run == tuple(sorted(report.not_run))
    assert not {*report.not_run} & {*report.checked, *report.skipped}


def test_a_check_that_is_out_of_time_says_nothing():
    probe = replace(make_probe(f.make_linear(), "pgd:steps=5"), deadline=Deadline(0.0))
    report = examine(INDICATORS, probe)

    assert report.findings == ()
    assert {"margin-wins", "zero-gradient", "binarisation", "unstable-predictions"} <= {*report.not_run}


def test_a_check_that_says_no_cost_comes_last_and_the_share_that_is_done_grows():
    seen = []
    with INDICATORS.adding("a-new-one", lambda probe: None):
        report = examine(
            INDICATORS,
            make_probe(f.make_linear(), "fgsm"),
            has_time=lambda passes: not passes,
            watch=lambda name, share: seen.append((name, share)),
        )

    names, shares = zip(*seen, strict=True)
    assert names[-1] == "a-new-one"
    assert "a-new-one" in report.checked
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert {*map(type, shares)} == {float}
    assert list(shares) == sorted(shares)


def test_every_indicator_says_what_it_costs():
    probe = make_probe(f.make_linear(), "pgd:steps=5")

    assert all(INDICATORS.get(name).passes(probe) >= 0 for name in INDICATORS.names())


def test_what_only_other_stages_break_says_nothing_about_the_first_in_a_larger_ball():
    """A network that was trained in linf was doubted under l2: only FAB broke most of its samples."""
    probe = make_probe(f.make_linear(), "pgd:start=0:steps=2:stride=0.01", threat="linf:0.05")
    fallen = replace(probe, adversarial=probe.correct.copy())

    assert INDICATORS.get("not-monotone")(fallen) is None
