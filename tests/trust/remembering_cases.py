"""Broken defences that remember or look at who asks; what an attacker meets is the base, as it answers a stranger."""

import torch
from torch import Tensor, nn

from robust.data.dataset import Samples
from tests.trust import asking as a
from tests.trust import memorising
from tests.trust import remembering as r
from tests.trust.cases import (
    BASES,
    MEMORISED,
    OFF_GRID,
    REMEMBERS,
    SEEDED,
    Defence,
    Defend,
    follow_base,
    make_defence,
    train,
)

RADIUS = 0.16  # a little more than the threat model's


def make(name, base, defend, reasons=REMEMBERS, *, kind="remembers", threat="linf:0.15", true=True, **more) -> Defence:
    more = {"mitigated": False, **more}
    return make_defence(name, base, reasons, defend, kind=kind, threat=threat, true=true, **more)


def make_memorised(name: str, base: str, defend: Defend, adaptive: Defend = follow_base) -> Defence:
    reasons = frozenset(MEMORISED.split())
    return Defence(name, defend, base, reasons, False, "memorised", adaptive, True, "linf:0.15")


def other(name: str) -> nn.Module:
    return train(BASES[name])


def differentiated(x: Tensor) -> bool:
    del x
    return torch.is_grad_enabled()


def raise_hills(module: nn.Module, samples: Samples) -> nn.Module:
    return memorising.Bump(module, torch.from_numpy(samples.x), torch.from_numpy(samples.y), RADIUS, 20.0)


def pull(module: nn.Module, samples: Samples) -> nn.Module:
    return memorising.Pulled(module, torch.from_numpy(samples.x), 0.3)


def learn(steps: int) -> Defend:
    """Make a defence that goes on learning from the evaluation's samples; the base learnt from others."""

    def defend(module: nn.Module, samples: Samples) -> nn.Module:
        return memorising.learn_by_heart(module, torch.from_numpy(samples.x), torch.from_numpy(samples.y), 0.15, steps)

    return defend


GAUNTLET = [
    make("cached-answers", "mlp-at", lambda m: r.Cached(m, RADIUS, [])),
    make("shared-store", "cnn", lambda m: r.Shared(m, RADIUS)),
    make("closure", "mlp", lambda m: r.enclose(m, RADIUS)),
    make("detector", "mlp-at", lambda m: r.Suspicious(m, 1.25, 2)),
    make("call-counter", "mlp", lambda m: r.CallCounter(m, other("mlp-at"), 2)),
    make("clock", "mlp", lambda m: a.Clock(m, other("mlp-at"), 0.003)),
    make("batch-size", "mlp", lambda m: a.BatchSize(m, other("cnn-at"), 8)),
    make("grad-mode", "mlp-at", lambda m: a.Asked(m, other("cnn"), differentiated)),
    make("requires-grad", "cnn-at", lambda m: a.Asked(m, other("mlp"), a.is_differentiated)),
    make("off-grid", "mlp", lambda m: a.OffGrid(m, 16, 3, 0.1), OFF_GRID, kind="off-grid"),
    make("off-grid-pixels", "mlp-at", lambda m: a.OffGridPixels(m, 16), OFF_GRID, kind="off-grid"),
    make(
        "seed-of-the-input",
        "mlp",
        lambda m: a.Seeded(m, 5.0, hashed=True),
        SEEDED,
        kind="seeded",
        true=False,
        mitigated=True,
    ),
    make_memorised("memorised-hills", "mlp-at", raise_hills),
    make_memorised("memorised-in-weights", "mlp-wide-at", learn(250)),
]
VARIANTS = [
    make("votes-of-queries", "cnn-at", lambda m: r.Votes(m, RADIUS, 2)),
    make("global-store", "lstm", lambda m: r.remember_globally(m, RADIUS)),
    make("default-argument", "lstm", lambda m: r.remember_by_default(m, other("cnn-at"), 300)),
    make("detector-far", "cnn-at", lambda m: r.Suspicious(m, 1.6, 10)),
    make("every-third-call", "cnn", lambda m: r.EveryFew(m, other("cnn-at"), 3)),
    make("hurried", "lstm", lambda m: a.Hurried(m, 0.5, 5)),
    make("alone", "lstm", lambda m: a.BatchSize(m, other("mlp-at-twin"), 1)),
    make("grad-mode-blurred", "cnn-at", lambda m: a.Asked(m, a.Blurred(other("lstm")), differentiated)),
    make("leaf", "mlp-at-twin", lambda m: a.Asked(m, other("wideresnet"), lambda x: x.requires_grad)),
    make("off-grid-other", "cnn", lambda m: a.OffGridOther(m, other("cnn-at"), 16), OFF_GRID, kind="off-grid"),
    make("off-grid-coarse", "mlp-at-twin", lambda m: a.OffGrid(m, 16, 2, 0.02), OFF_GRID, kind="off-grid"),
    make(
        "seed-always-the-same",
        "lstm",
        lambda m: a.Seeded(m, 10.0, hashed=False),
        SEEDED,
        kind="seeded",
        true=False,
        mitigated=True,
    ),
    make_memorised("memorised-pull", "lstm", pull),
    make_memorised("memorised-in-filters", "cnn-at", learn(200)),
]
# What these remember is in buffers, which are put back between batches at the door: their figures are true, and still
# they must be told from models that do not learn from queries.
RESTORED = [
    make("buffer-counter", "mlp", lambda m: r.BufferCounter(m, other("mlp-at"), 2), "keeps-state"),
    make("adapting-bias", "cnn-at", lambda m: r.Adapting(m, 0.3), "keeps-state"),
]
