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
from robust.attacks.engine import still
from robust.attacks.registry import ATTACKS
from robust.attacks.spec import Spec, threat_slug
from robust.attacks.suite import Suite
from robust.attacks.task import gradient
from robust.data.dataset import Samples
from robust.data.numpy_files import arrays_of
from robust.device import device_of
from robust.evaluation.attack_run import Bout
from robust.models.load import weights_hash
from robust.records.attack_outcome import pack
from robust.records.files import private, write_arrays
from robust.session.case import Case, Found, fail
from robust.session.resources import Workshop
from robust.user_code import files_of, source_hash


def journal_of(workshop: Workshop, case: Case, suite: Suite, threat: str) -> Journal:
    """Where the rounds of this campaign are, by a hash of all that determines them."""
    key = hashlib.sha256(json.dumps(_determinants(workshop, case, suite, threat), sort_keys=True).encode()).hexdigest()
    try:
        home = private(workshop.settings.home)
    except OSError as error:
        fail(f"the rounds of {suite.name} could not be written: {error}")
    return Journal(home / "suites" / f"{suite.name}-{threat_slug(threat)}-{key[:16]}")


def _determinants(workshop: Workshop, case: Case, suite: Suite, threat: str) -> Found:
    source = case.variant.spec.path
    return {
        "suite": suite.told(),
        "search": workshop.settings.search,
        "threat": threat,
        "bounds": [workshop.settings.dataset.lo, workshop.settings.dataset.hi],
        "seed": case.seed,
        "samples": case.samples.digest,
        "weights": weights_hash(case.module),
        "module": str(case.module),
        "source": hashlib.sha256(source.read_bytes()).hexdigest() if source.is_file() else None,
        "correct": pack(workshop.clean(case.module, case.samples).correct),
        "answers": _probe(case.module, case.samples),
        "code": _code_hash(suite),
        "torch": torch.__version__,
        "device": device_of(case.module).type,
    }


def _probe(module: nn.Module, samples: Samples) -> list[float]:
    """How long a few answers and their input gradients are: what another forward pass with the same weights changes.

    Rounded well above what another number of threads changes.
    """
    x = torch.tensor(samples.x[:8], device=device_of(module), requires_grad=True)
    with still(module), torch.enable_grad():
        answers = module(x.clone())
        try:
            grad = gradient(answers.square().sum(), x)
        except ValueError:  # whatever needs one will tell
            grad = torch.zeros_like(x)
    return [float(f"{float(each.detach().double().norm()):.3g}") for each in (answers, grad)]


def _code_hash(suite: Suite) -> str:
    """Of the code that rounds come from, and of attacks that come from elsewhere."""
    root = Path(robust.__file__).parent
    ours = {root / f"{name}.py" for name in ("bout", "campaign", "evaluate", "feed", "trust/ball", "trust/verify")}
    attacks = {ATTACKS.get(Spec.parse(stage.attack).name) for stage in suite.stages}
    return source_hash(ours | {*(root / "attacks").resolve().rglob("*.py")} | files_of(attacks))


@dataclass(frozen=True, slots=True)
class Journal:
    """The rounds of a campaign on the disk, a file each: a process that is killed loses the one that it was at."""

    folder: Path  # this campaign's own

    def read(self, k: int) -> Bout | None:
        """Round number k; None where it was not run to its end, or its file is damaged."""
        try:
            names = [field.name for field in fields(Bout)]
            found: dict[str, Any] = dict(zip(names, arrays_of(self._file(k), names), strict=True))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None
        return Bout(**found | {"seconds": float(found["seconds"]), "batch": int(found["batch"])})

    def write(self, k: int, bout: Bout) -> None:
        """ValueError where the disk does not take it."""
        try:
            write_arrays(self._file(k), {field.name: getattr(bout, field.name) for field in fields(bout)})
        except FileNotFoundError:  # the same campaign has ended in another process, and taken the folder with it
            return
        except OSError as error:
            raise ValueError(f"its rounds could not be written: {error}") from error

    def _file(self, k: int) -> Path:
        return self.folder / f"{k:04}.npz"
