"""Parts of the gauntlet: trained networks, broken defences of them, and the samples."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from robust.attacks import LpThreat
from robust.data.dataset import DATA, Samples
from robust.models.registry import ARCHITECTURES
from robust.train.factory import read_recipe
from robust.train.loop import fit
from tests.trust.honest_networks import HONEST
from tests.trust.intervals import INTERVALS, fit_intervals
from tests.trust.networks import NETWORKS, settle

EPS = "linf:0.2"  # so large that no network with standard training is robust
THREAT = LpThreat.parse(EPS)
DIGITS = DATA.get("digits")
N = 200
# A folder of trained weights, so that a second run need not train them again; delete it when training has changed.
CACHE = Path(os.environ.get("ROBUST_GAUNTLET_CACHE") or Path(tempfile.gettempdir()) / "robust-gauntlet")

Defend = Callable[[nn.Module, Samples], nn.Module]

# The kinds of broken defences, and the findings that would be right.
WRONG_GRADIENT = "wrong-gradient"
REMEMBERS = "keeps-state depends-on-queries depends-on-grad depends-on-batch nondeterministic memorised"
MEMORISED = "memorised easy-samples"  # the second compares with samples that it cannot know
OFF_GRID = "depends-on-grid"
SEEDED = "sets-seed wrong-gradient depends-on-batch"
MISLEADING_LOSS = (
    "hidden-logits-win labels-win gradient-free-wins margin-wins targets-win transfer-wins unbounded-attack-fails"
)


@dataclass(frozen=True)
class Base:
    """A small network and how it was trained."""

    architecture: str
    options: tuple[tuple[str, Any], ...]
    recipe: str
    seed: int = 0
    threat: str = EPS  # of the training


def follow_base(module: nn.Module, samples: Samples) -> nn.Module:
    """Return the base itself, whose gradient is right."""
    del samples
    return module


@dataclass(frozen=True)
class Defence:
    """A broken defence of a base."""

    name: str
    defend: Defend
    base: str
    reasons: frozenset[str]  # names of findings, one of which must be among those of the checks
    mitigated: bool = True  # a mitigation exists
    kind: str = "no-gradient"
    adaptive: Defend = follow_base  # the module whose gradient an attacker who knows the defence follows
    true: bool = False  # whether that module is also what an attacker meets: the defence has it answer, once deployed
    threat: str = EPS

    def __str__(self) -> str:
        return self.name


def make_base(architecture: str, recipe: str, seed: int = 0, threat: str = EPS, **options: Any) -> Base:
    return Base(architecture, tuple(options.items()), recipe, seed, threat)


def make_defence(name: str, base: str, reasons: str, defend: Callable[[nn.Module], nn.Module], **more: Any) -> Defence:
    """Make a defence that needs no samples."""
    return Defence(name, lambda module, _: defend(module), base, frozenset(reasons.split()), **more)


PLAIN = "standard:optimiser=adam:weight_decay=0:epochs="
AT = "pgd-at:steps=4:optimiser=adam:lr=0.005:epochs="
BASES = {
    "mlp": make_base("mlp", PLAIN + "20", width=64, depth=3),
    "wideresnet": make_base("wideresnet", "standard:epochs=6", depth=10, width=1),
    "cnn": make_base("cnn", PLAIN + "30", seed=1, width=8),
    "lstm": make_base("lstm", PLAIN + "20:lr=0.01", seed=1, width=32),
    "preactresnet": make_base("preactresnet18", "standard:epochs=6", seed=1, width=4),
    "mlp-at": make_base("mlp", AT + "20", width=96),
    "mlp-wide-at": make_base("mlp", AT + "15", seed=2, width=160),
    "mlp-at-twin": make_base("mlp", AT + "20", seed=5, width=64, depth=3),
    "cnn-at": make_base("cnn", AT + "15", seed=1, width=8),
    "cnn-at-twin": make_base("cnn", AT + "15", seed=6, width=8),
    "branches": make_base("branches", AT + "15"),
    "residual": make_base("residual-mlp", AT + "20", seed=1),
    "pyramid": make_base("pyramid", AT + "15"),
    "skips": make_base("skips", AT + "15", seed=1),
    "gated": make_base("gated", AT + "15"),
    "attention": make_base("attention", "standard:optimiser=adam:lr=0.003:epochs=20", seed=2),
    "equilibrium": make_base("equilibrium", AT + "15", fed=6, steps=10),
    "hopfield": make_base("equilibrium", AT + "15", seed=1, width=64, fed=2, steps=5),
    "gru-rows": make_base("recurrent", AT + "15"),
    "rnn-columns": make_base("recurrent", AT + "15", seed=1, kind="rnn", transpose=True),
    "contrast": make_base("contrast", AT + "15"),
    "sharpened": make_base("contrast", AT + "15", seed=1, window=3),
    "square": make_base("square", AT + "20"),
    "square-conv": make_base("square-conv", AT + "15", seed=1),
    "sine": make_base("sine", AT + "20", seed=1),
    "max-pool": make_base("pooled", AT + "15"),
    "average-pool": make_base("pooled", AT + "15", seed=1, kind="average"),
    "experts": make_base("experts", AT + "20"),
    "experts-deep": make_base("experts", AT + "20", seed=1, n=4, width=32),
}


OWN = {**NETWORKS, **{name: settle(make) for name, make in HONEST.items()}}


def _name_file(which: Base) -> Path:
    """Name the file of the weights by all that they depend on, but for the parts that networks share."""
    source = getattr(OWN.get(which.architecture), "source", "")
    digest = hashlib.sha256(f"{which!r}{torch.__version__}{source}".encode()).hexdigest()
    return CACHE / f"{which.architecture}-{digest[:16]}.pt"


def build(which: Base) -> nn.Module:
    """Build the untrained network of a base."""
    make = OWN.get(which.architecture) or ARCHITECTURES.get(which.architecture)
    return make(DIGITS.shape, DIGITS.classes, **dict(which.options))


def _learn(which: Base, module: nn.Module) -> None:
    """Train a network in place."""
    learnt, threat = DIGITS.load("train"), LpThreat.parse(which.threat)
    if which.recipe.startswith(INTERVALS):
        fit_intervals(module, learnt, float(threat.eps), int(which.recipe.removeprefix(INTERVALS)))
    else:
        module.load_state_dict(fit(module, read_recipe(which.recipe), learnt, threat, seed=which.seed).weights)


@cache
def train(which: Base) -> nn.Module:
    """Train the network of a base once, and return it in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(which.seed)
        module, saved = build(which), _name_file(which)
        if saved.exists():
            module.load_state_dict(torch.load(saved, weights_only=True))
            return module.eval()
        _learn(which, module)
    CACHE.mkdir(parents=True, exist_ok=True)
    unfinished = saved.with_suffix(f".{os.getpid()}")
    torch.save(module.state_dict(), unfinished)
    unfinished.replace(saved)
    return module.eval()


@cache
def samples() -> Samples:
    return DIGITS.load("test", N)
