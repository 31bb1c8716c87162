"""The gauntlet: defences that must be flagged, each for one of its reasons, and sound models that must not be.

The variants have other parameters, constructions and bases. They are held out: no threshold was tuned on them. A
defence is worth its place if it appears at least ten points more robust than an attacker finds it who knows it.
"""

from tests.trust import hidden_gradient_cases, honest, misleading_cases, remembering_cases, wrong_gradient_cases
from tests.trust.cases import BASES, DIGITS, THREAT, Base, Defence, make_base, samples, train

__all__ = [
    "BASES",
    "DIGITS",
    "GAUNTLET",
    "SOUND",
    "SOUND_VARIANTS",
    "THREAT",
    "VARIANTS",
    "Base",
    "Defence",
    "samples",
    "train",
]

KINDS = (hidden_gradient_cases, wrong_gradient_cases, remembering_cases, misleading_cases)
GAUNTLET = [case for kind in KINDS for case in kind.GAUNTLET]
VARIANTS = [case for kind in KINDS for case in kind.VARIANTS]

AT = "optimiser=adam:epochs="
SOUND = {
    "cnn-standard": make_base("cnn", "standard:epochs=12", width=8),
    "cnn-pgd-at": make_base("cnn", f"pgd-at:steps=5:{AT}15", width=8),
    "cnn-trades": make_base("cnn", f"trades:steps=5:{AT}15", width=8),
    "batch-norm-standard": make_base("wideresnet", "standard:epochs=6", depth=10, width=1),
    "batch-norm-fgsm-rs": make_base("wideresnet", "fgsm-rs:epochs=8", depth=10, width=1),
    "vit": make_base("vit", "standard:optimiser=adam:lr=0.003:epochs=20", width=24, depth=2, heads=2, patch=2),
    "lstm": make_base("lstm", "standard:optimiser=adam:lr=0.01:epochs=15", width=32),
    "mlp-pgd-at": make_base("mlp", f"pgd-at:steps=5:{AT}20", width=64),
    "very-small": make_base("mlp", "standard:epochs=20", width=8, depth=1),
    **honest.FIRST,
}
SOUND_VARIANTS = {
    "cnn-standard": make_base("cnn", "standard:epochs=20:lr=0.05", seed=1, width=12),
    "cnn-fgsm-rs": make_base("cnn", f"fgsm-rs:{AT}20", seed=1, width=12),
    "cnn-pgd-at": make_base("cnn", f"pgd-at:steps=7:{AT}15", seed=1, width=12),
    "batch-norm-standard": make_base("preactresnet18", "standard:epochs=6", seed=1, width=4),
    "batch-norm-pgd-at": make_base("wideresnet", "pgd-at:steps=3:epochs=8", seed=1, depth=10, width=1),
    "vit": make_base("vit", "standard:optimiser=adam:lr=0.002:epochs=25", seed=1, width=32, depth=1, heads=2, patch=2),
    "lstm-pgd-at": make_base("lstm", "pgd-at:steps=3:optimiser=adam:lr=0.01:epochs=15", seed=1, width=24),
    "mlp-trades": make_base("mlp", f"trades:steps=5:{AT}20", seed=1, width=48, depth=3),
    "very-small": make_base("mlp", "standard:epochs=15:lr=0.2", seed=1, width=12, depth=1),
    **honest.SECOND,
}
