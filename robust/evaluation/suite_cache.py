"""Where the rounds of a suite are kept while it runs: by a hash of all that determines them."""

import hashlib
import json
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

import robust
from robust.attacks.engine import eval_mode
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import Spec
from robust.attacks.suite import Suite
from robust.attacks.task import gradient
from robust.attacks.threats.threat import Threat
from robust.attacks.words import threat_slug
from robust.data.dataset import Samples
from robust.data.numpy_files import read_arrays
from robust.device import device_of
from robust.evaluation.attack_run import AttackRun
from robust.flags import Flags, pack
from robust.models.load import hash_weights
from robust.records.files import private, write_arrays
from robust.user_code import hash_sources, source_files


@dataclass(frozen=True, slots=True)
class SuiteCache:
    """The rounds of a suite on the disk, a file each: a process that is killed loses only the round that it was at."""

    folder: Path  # of this run of the suite alone

    def read(self, k: int) -> AttackRun | None:
        """Round number k; None where it was not run to its end, or its file is damaged."""
        try:
            names = [field.name for field in fields(AttackRun)]
            found: dict[str, Any] = dict(zip(names, read_arrays(self._file(k), names), strict=True))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None
        return AttackRun(**found | {"seconds": float(found["seconds"]), "batch": int(found["batch"])})

    def write(self, k: int, bout: AttackRun) -> None:
        """ValueError where the disk does not take it."""
        try:
            write_arrays(self._file(k), {field.name: getattr(bout, field.name) for field in fields(bout)})
        except FileNotFoundError:  # the same run has ended in another process, and taken the folder with it
            return
        except OSError as error:
            raise ValueError(f"its rounds could not be written: {error}") from error

    def _file(self, k: int) -> Path:
        return self.folder / f"{k:04}.npz"


@dataclass(frozen=True, slots=True)
class SuiteInputs:
    """All that the rounds of a suite depend on, beside the code that runs them."""

    module: nn.Module
    source: Path  # the file that makes the module, if it is one
    samples: Samples
    correct: Flags  # (n,): the samples that are attacked
    suite: Suite
    search: tuple[str, ...]  # how the copy that the attacks ask is cheaper than the module
    threat: Threat
    seed: int

    @property
    def key(self) -> str:
        """A hash of it all."""
        return hashlib.sha256(json.dumps(self._determinants(), sort_keys=True).encode()).hexdigest()

    def _determinants(self) -> dict[str, Any]:
        return {
            "suite": self.suite.determinants(),
            "search": self.search,
            "threat": str(self.threat),
            "bounds": [self.threat.lo, self.threat.hi],
            "seed": self.seed,
            "samples": self.samples.digest,
            "weights": hash_weights(self.module),
            "module": str(self.module),
            "source": hashlib.sha256(self.source.read_bytes()).hexdigest() if self.source.is_file() else None,
            "correct": pack(self.correct),
            "answers": _probe(self.module, self.samples),
            "code": _code_hash(self.suite),
            "torch": torch.__version__,
            "device": device_of(self.module).type,
        }


def suite_cache(home: Path, inputs: SuiteInputs) -> SuiteCache:
    """Return the cache of these rounds below `home`, which is made; ValueError where the disk does not take it."""
    try:
        folder = private(home)
    except OSError as error:
        raise ValueError(f"the rounds of {inputs.suite.name} could not be written: {error}") from error
    name = f"{inputs.suite.name}-{threat_slug(str(inputs.threat))}-{inputs.key[:16]}"
    return SuiteCache(folder / "suites" / name)


def _probe(module: nn.Module, samples: Samples) -> list[float]:
    """How long a few answers and their input gradients are: what another forward pass with the same weights changes.

    Rounded well above what another number of threads changes.
    """
    x = torch.tensor(samples.x[:8], device=device_of(module), requires_grad=True)
    with eval_mode(module), torch.enable_grad():
        answers = module(x.clone())
        try:
            grad = gradient(answers.square().sum(), x)
        except ValueError:  # whatever needs one will tell
            grad = torch.zeros_like(x)
    return [float(f"{float(each.detach().double().norm()):.3g}") for each in (answers, grad)]


def _code_hash(suite: Suite) -> str:
    """Hash the code that rounds come from and that says who takes which rows, and attacks of other packages."""
    root = Path(robust.__file__).parent
    folders = ("attacks", "distributed", "evaluation", "verification")
    ours = {path for folder in folders for path in (root / folder).resolve().rglob("*.py")} | {root / "sampling.py"}
    return hash_sources(ours | source_files({ATTACKS.get(Spec.parse(stage.attack).name) for stage in suite.stages}))
