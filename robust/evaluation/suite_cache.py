"""Keep the rounds of a suite on disk while it runs, under a hash of everything that determines them."""

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
from robust.models.weights import hash_weights
from robust.records.files import private, refuse_links, write_arrays
from robust.user_code import hash_sources, source_files


@dataclass(frozen=True, slots=True)
class SuiteCache:
    """The rounds of a suite on disk, one file each: a process that is killed loses only its current round."""

    folder: Path  # for this run of the suite only

    def read(self, k: int) -> AttackRun | None:
        """Read round number k; None if it was not run to its end, or its file is damaged."""
        try:
            names = [field.name for field in fields(AttackRun)]
            values: dict[str, Any] = dict(zip(names, read_arrays(self._file(k), names), strict=True))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None
        return AttackRun(**values | {"seconds": float(values["seconds"]), "batch": int(values["batch"])})

    def count(self) -> int:
        """Count the rounds that are kept."""
        return sum(1 for _ in self.folder.glob("*.npz"))

    def write(self, k: int, run: AttackRun) -> None:
        """Write round number k; ValueError if that fails."""
        try:
            write_arrays(self._file(k), {field.name: getattr(run, field.name) for field in fields(run)})
        except FileNotFoundError:  # the same run has ended in another process, which removed the folder
            return
        except OSError as error:
            raise ValueError(f"its rounds could not be written: {error}") from error

    def _file(self, k: int) -> Path:
        return self.folder / f"{k:04}.npz"


@dataclass(frozen=True, slots=True)
class SuiteInputs:
    """Everything that the rounds of a suite depend on, except the code that runs them."""

    module: nn.Module
    source: Path  # the file of the user that makes the module; need not exist
    samples: Samples
    correct: Flags  # (n,): samples to attack
    suite: Suite
    search: tuple[str, ...]  # how the copy that the attacks ask differs from the module
    threat: Threat
    seed: int
    more: Any = None  # what else they depend on, as JSON can hold it

    @property
    def key(self) -> str:
        """The hash of all fields, the model's answers and the code."""
        return hashlib.sha256(json.dumps(self._determinants(), sort_keys=True).encode()).hexdigest()

    def _determinants(self) -> dict[str, Any]:
        return {
            "suite": self.suite.determinants((), [part.norm for part in self.threat.parts]),
            "search": self.search,
            "threat": str(self.threat),
            "bounds": [self.threat.lo, self.threat.hi],
            **({"layout": self.samples.layout_text} if self.samples.layout else {}),
            "seed": self.seed,
            "samples": self.samples.digest,
            **({"before": found.resize} if (found := self.samples.find_resized(str(self.threat))) else {}),
            "criterion": self.samples.criterion,
            "weights": hash_weights(self.module),
            "module": str(self.module),
            "source": hashlib.sha256(self.source.read_bytes()).hexdigest() if self.source.is_file() else None,
            "correct": pack(self.correct),
            "answers": _probe(self.module, self.samples),
            "code": hash_code(self.suite),
            "torch": torch.__version__,
            "device": device_of(self.module).type,
            **({} if self.more is None else {"more": self.more}),
        }


def suite_cache(home: Path, inputs: SuiteInputs) -> SuiteCache:
    """Return the cache of these rounds below `home`, which is made; ValueError if it cannot be written."""
    name = f"{inputs.suite.name}-{threat_slug(str(inputs.threat))}-{inputs.key[:16]}"
    try:
        folder = private(home)
        refuse_links(folder, folder / "suites" / name)
    except (OSError, ValueError) as error:
        raise ValueError(f"the rounds of {inputs.suite.name} could not be written: {error}") from error
    return SuiteCache(folder / "suites" / name)


def _probe(module: nn.Module, samples: Samples) -> list[float]:
    """Return the norms of a few answers and of their input gradients, since code can change them at equal weights.

    Three digits: another number of threads changes less.
    """
    x = torch.tensor(samples.x[:8], device=device_of(module), requires_grad=True)
    with eval_mode(module), torch.enable_grad():
        answers = module(x.clone())
        try:
            grad = gradient(answers.square().sum(), x)
        except ValueError:  # an attack that needs a gradient will say so
            grad = torch.zeros_like(x)
    return [float(f"{float(tensor.detach().cpu().double().norm()):.3g}") for tensor in (answers, grad)]


# The code that decides what a round does, and to which rows.
FOLDERS = ("attacks", "distributed", "evaluation", "verification")
FILES = ("data/lazy_inputs.py", "data/spool.py", "flags.py", "sampling.py")


def hash_code(suite: Suite) -> str:
    """Return a hash of the code that rounds depend on, including attacks of other packages."""
    root = Path(robust.__file__).parent
    package = {path for folder in FOLDERS for path in (root / folder).resolve().rglob("*.py")}
    attacks = source_files({ATTACKS.get(Spec.parse(stage.attack).name) for stage in suite.stages})
    return hash_sources(package | {root / file for file in FILES} | attacks)
