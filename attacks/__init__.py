"""Adversarial attacks on PyTorch models, usable without pytest.

    from robust.attacks import LpThreat, PGD, assail
    outcome = assail(model, PGD(steps=40), x, y, LpThreat.parse("linf:8/255"))
    robust = ~outcome.adversarial

Importing this package does not import torch; the names below do, when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robust.attacks.combine.bestof import BestOf
    from robust.attacks.combine.bpda import BPDA
    from robust.attacks.combine.eot import EOT
    from robust.attacks.combine.odi import Diversified
    from robust.attacks.combine.restarts import Restarts
    from robust.attacks.combine.starts import Starts
    from robust.attacks.combine.targets import Targets
    from robust.attacks.combine.transfer import Transfer
    from robust.attacks.criteria.classification import Classification
    from robust.attacks.criteria.criterion import Criterion
    from robust.attacks.criteria.registry import read_criterion
    from robust.attacks.drawn import Drawn
    from robust.attacks.engine import Attack, Outcome, Plan, assail, run_steps
    from robust.attacks.factory import make
    from robust.attacks.layout import Layout
    from robust.attacks.min_norm import MinNormResult, minimize_norm
    from robust.attacks.registry import ATTACKS
    from robust.attacks.rng import Rng
    from robust.attacks.task import Task
    from robust.attacks.threats.corruption import CorruptionThreat
    from robust.attacks.threats.features import FeaturesThreat
    from robust.attacks.threats.lp import LpThreat
    from robust.attacks.threats.patch import PatchThreat
    from robust.attacks.threats.pixels import PixelThreat
    from robust.attacks.threats.product import Product
    from robust.attacks.threats.spatial import SpatialThreat
    from robust.attacks.threats.threat import Threat
    from robust.attacks.threats.union import Union
    from robust.attacks.worst_score import WorstScores, worsen_scores
    from robust.attacks.zoo.apgd import APGD
    from robust.attacks.zoo.bim import BIM
    from robust.attacks.zoo.capgd import CAPGD
    from robust.attacks.zoo.corruptions import Corruptions
    from robust.attacks.zoo.cw import CW
    from robust.attacks.zoo.ddn import DDN
    from robust.attacks.zoo.decision import Decision
    from robust.attacks.zoo.deepfool import DeepFool
    from robust.attacks.zoo.evolve import Evolve
    from robust.attacks.zoo.fab import FAB
    from robust.attacks.zoo.ffgsm import FFGSM
    from robust.attacks.zoo.fgsm import FGSM
    from robust.attacks.zoo.fmn import FMN
    from robust.attacks.zoo.frankwolfe import FrankWolfe
    from robust.attacks.zoo.grid import Grid
    from robust.attacks.zoo.hopskipjump import HopSkipJump
    from robust.attacks.zoo.lavan import Lavan
    from robust.attacks.zoo.mifgsm import MIFGSM
    from robust.attacks.zoo.noise import Noise
    from robust.attacks.zoo.patch_rs import PatchRS
    from robust.attacks.zoo.pgd import PGD
    from robust.attacks.zoo.rays import RayS
    from robust.attacks.zoo.rfgsm import RFGSM
    from robust.attacks.zoo.search import Search
    from robust.attacks.zoo.sigma_zero import SigmaZero
    from robust.attacks.zoo.sparse_rs import SparseRS
    from robust.attacks.zoo.spgd import SPGD
    from robust.attacks.zoo.square import Square
    from robust.attacks.zoo.worstof import WorstOf

__all__ = [
    "APGD",
    "ATTACKS",
    "BIM",
    "BPDA",
    "CAPGD",
    "CW",
    "DDN",
    "EOT",
    "FAB",
    "FFGSM",
    "FGSM",
    "FMN",
    "MIFGSM",
    "PGD",
    "RFGSM",
    "SPGD",
    "Attack",
    "BestOf",
    "Classification",
    "CorruptionThreat",
    "Corruptions",
    "Criterion",
    "Decision",
    "DeepFool",
    "Diversified",
    "Drawn",
    "Evolve",
    "FeaturesThreat",
    "FrankWolfe",
    "Grid",
    "HopSkipJump",
    "Lavan",
    "Layout",
    "LpThreat",
    "MinNormResult",
    "Noise",
    "Outcome",
    "PatchRS",
    "PatchThreat",
    "PixelThreat",
    "Plan",
    "Product",
    "RayS",
    "Restarts",
    "Rng",
    "Search",
    "SigmaZero",
    "SparseRS",
    "SpatialThreat",
    "Square",
    "Starts",
    "Targets",
    "Task",
    "Threat",
    "Transfer",
    "Union",
    "WorstOf",
    "WorstScores",
    "assail",
    "make",
    "minimize_norm",
    "read_criterion",
    "run_steps",
    "worsen_scores",
]

_HOME = {
    "ATTACKS": "registry",
    "APGD": "zoo.apgd",
    "BIM": "zoo.bim",
    "BPDA": "combine.bpda",
    "BestOf": "combine.bestof",
    "CAPGD": "zoo.capgd",
    "CW": "zoo.cw",
    "Classification": "criteria.classification",
    "CorruptionThreat": "threats.corruption",
    "Corruptions": "zoo.corruptions",
    "Criterion": "criteria.criterion",
    "DDN": "zoo.ddn",
    "Decision": "zoo.decision",
    "DeepFool": "zoo.deepfool",
    "Diversified": "combine.odi",
    "Drawn": "drawn",
    "EOT": "combine.eot",
    "Evolve": "zoo.evolve",
    "FAB": "zoo.fab",
    "FFGSM": "zoo.ffgsm",
    "FGSM": "zoo.fgsm",
    "FMN": "zoo.fmn",
    "FeaturesThreat": "threats.features",
    "FrankWolfe": "zoo.frankwolfe",
    "Grid": "zoo.grid",
    "HopSkipJump": "zoo.hopskipjump",
    "MIFGSM": "zoo.mifgsm",
    "PGD": "zoo.pgd",
    "RFGSM": "zoo.rfgsm",
    "Attack": "engine",
    "Lavan": "zoo.lavan",
    "Layout": "layout",
    "LpThreat": "threats.lp",
    "MinNormResult": "min_norm",
    "Noise": "zoo.noise",
    "Outcome": "engine",
    "PatchRS": "zoo.patch_rs",
    "PatchThreat": "threats.patch",
    "PixelThreat": "threats.pixels",
    "Plan": "engine",
    "Product": "threats.product",
    "Restarts": "combine.restarts",
    "Rng": "rng",
    "RayS": "zoo.rays",
    "Search": "zoo.search",
    "SPGD": "zoo.spgd",
    "SigmaZero": "zoo.sigma_zero",
    "SparseRS": "zoo.sparse_rs",
    "SpatialThreat": "threats.spatial",
    "Square": "zoo.square",
    "Starts": "combine.starts",
    "Targets": "combine.targets",
    "Task": "task",
    "Threat": "threats.threat",
    "Transfer": "combine.transfer",
    "Union": "threats.union",
    "WorstOf": "zoo.worstof",
    "WorstScores": "worst_score",
    "read_criterion": "criteria.registry",
    "worsen_scores": "worst_score",
    "assail": "engine",
    "run_steps": "engine",
    "make": "factory",
    "minimize_norm": "min_norm",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
