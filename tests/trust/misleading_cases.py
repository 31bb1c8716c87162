"""Broken defences with smooth losses that mislead; the base below has the same labels, and a loss that leads there."""

from torch import nn

from robust.data.dataset import Samples
from tests.trust import misleading as m
from tests.trust.cases import BASES, MISLEADING_LOSS, Defence, Defend, follow_base, make_defence, train


def make(name, base, defend, threat="linf:0.15", adaptive: Defend = follow_base, **more) -> Defence:
    more = {"kind": "misleading", "threat": threat, "adaptive": adaptive, **more}
    return make_defence(name, base, MISLEADING_LOSS, defend, **more)


def other(name: str) -> nn.Module:
    return train(BASES[name])


def members(base: nn.Module, *names: str) -> list[nn.Module]:
    return [base, *(other(name) for name in names)]


def average(*names: str) -> Defend:
    """Make the way of an attacker who climbs the mean of the members' logits."""

    def adapt(module: nn.Module, samples: Samples) -> nn.Module:
        del samples
        return m.Mean(members(module, *names))

    return adapt


THREE = ("mlp-at-twin", "cnn-at")
OTHERS = ("cnn-at-twin", "square-conv")
GAUNTLET = [
    make("written-confidence", "mlp-at", lambda b: m.Confidence(b, other("cnn"))),
    make("decoy-classes", "cnn-at", lambda b: m.Decoys(b, other("mlp"), 0.1)),
    make("waves", "mlp-at", lambda b: m.Waves(b, 2.0, 5.0)),
    make("thermostat", "mlp-at", lambda b: m.Thermostat(b, 1.5, 1.0)),
    make("inverted-confidence", "mlp-at", lambda b: m.Inverted(b, 1.0, 0.5)),
    make("squashed", "mlp-at", lambda b: m.Squashed(b, other("cnn"), 30.0, 0.03)),
    make("rounded-logits", "mlp-at", lambda b: m.Rounded(b, other("lstm"), 1.0, 1e-3)),
    make("clamped-logits", "cnn-at", lambda b: m.Clamped(b, other("mlp"), 1e-2)),
    make(
        "saturated-ensemble", "mlp-at", lambda b: m.Ensemble(members(b, *THREE), 0.005, 0.1), adaptive=average(*THREE)
    ),
    make(
        "voting-ensemble",
        "mlp-at",
        lambda b: m.Voting(members(b, *THREE), other("lstm"), 0.1, log=False),
        adaptive=average(*THREE),
    ),
    make("ranks", "mlp-at", lambda b: m.Ranks(b, other("cnn"), 0.02, 1e-3)),
    make("hard-gate", "cnn-at", lambda b: m.Gate(b, other("mlp"), 3.0)),
    make("hidden-confidence", "mlp-at", lambda b: m.Hidden(m.Confidence(b, other("cnn"))), threat="l2:1"),
    make("one-decoy", "mlp-at", lambda b: m.OneDecoy(b, other("cnn"), 5, 0.05, 10.0), threat="l2:1"),
]
VARIANTS = [
    make("written-confidence", "cnn-at", lambda b: m.Confidence(b, other("wideresnet"))),
    make("decoy-classes", "mlp-at-twin", lambda b: m.Decoys(b, other("lstm"), 0.5)),
    make("waves", "cnn-at", lambda b: m.Waves(b, 1.2, 5.0)),
    make("thermostat", "cnn-at", lambda b: m.Thermostat(b, 2.0, 3.0)),
    make("inverted-confidence", "square", lambda b: m.Inverted(b, 3.0, 1.0)),
    make("squashed", "cnn-at", lambda b: m.Squashed(b, other("mlp"), 50.0, 0.1)),
    make("rounded-logits", "cnn-at", lambda b: m.Rounded(b, other("mlp"), 0.5, 1e-2)),
    make("clamped-logits", "square", lambda b: m.Clamped(b, other("wideresnet"), 3e-2)),
    make(
        "saturated-ensemble", "cnn-at", lambda b: m.Ensemble(members(b, *OTHERS), 0.01, 0.03), adaptive=average(*OTHERS)
    ),
    make(
        "log-of-votes",
        "cnn-at",
        lambda b: m.Voting(members(b, *OTHERS), other("lstm"), 0.02, log=True),
        adaptive=average(*OTHERS),
    ),
    make("ranks", "cnn-at", lambda b: m.Ranks(b, other("lstm"), 0.05, 1e-2)),
    make("hard-gate", "square", lambda b: m.Gate(b, other("wideresnet"), 5.0)),
    make("hidden-temperature", "cnn-at", lambda b: m.Hidden(m.Thermostat(b, 1.5, 1.0)), threat="l1:2"),
    make("one-decoy", "cnn-at", lambda b: m.OneDecoy(b, other("mlp"), 3, 0.01, 30.0)),
]
