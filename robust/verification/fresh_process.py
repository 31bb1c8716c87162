"""Verify in a fresh process: a Python that has run no attack loads the model anew, and is shown the inputs.

So that nothing that a run did to its own process, to the module or to torch, can make a figure.
"""

import io
import json
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from robust.attacks.rng import seeded
from robust.device import parse_device
from robust.models.checkpoint import fit_weights, read_weights
from robust.models.load import get_builder, hash_weights, load
from robust.models.permissions import Permissions
from robust.models.spec import ModelSpec
from robust.verification.check import Verification, verify

# -P, or a robust.py of the user's would be taken for this package.
COMMAND = [sys.executable, "-P", "-m", "robust.verification.fresh_process"]
SECONDS = 600  # after which a process that has not answered is ended


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model comes from, so that another process can have it. All of it goes through JSON."""

    text: str  # as --robust-model takes it
    folder: str  # what a relative path in it is below
    arch: str | None  # as --robust-arch
    arch_folder: str
    normalize: str | None  # canonical, as Settings has it
    shape: tuple[int, ...]  # of one input
    classes: int
    trained: str | None  # the file with the weights of a training; None for the model as it is
    seed: int
    device: str
    code: tuple[str, ...] = ()  # this and what follows: what its files may do, as Allowed has it
    safe_globals: tuple[str, ...] = ()
    globals_folder: str = ""

    def load(self) -> nn.Module:
        """The model; ValueError or LookupError, in one line, where it cannot be had."""
        spec, below = ModelSpec.parse(self.text, Path(self.folder)), Path(self.arch_folder)
        device, shape = parse_device(self.device), tuple(self.shape)
        allowed = Permissions(tuple(self.code), tuple(self.safe_globals), Path(self.globals_folder))
        with seeded(self.seed, [device]):  # for factories that start from random weights
            if self.trained is None:
                module = load(spec, self.arch, shape, self.classes, below, allowed, self.normalize).module
            else:
                module = get_builder(spec, self.arch, shape, self.classes, below, self.normalize)()
                fit_weights(module, read_weights(Path(self.trained)))
        return module.to(device)


@dataclass(frozen=True, slots=True)
class Claim:
    """Inputs that are said to be adversarial for a model of these weights."""

    x_adv: NDArray[np.float32]  # (n, *features)
    x: NDArray[np.float32]
    y: NDArray[np.int64]  # (n,)
    threat: str
    bounds: tuple[float, float]
    weights: str  # SHA-256
    batch: int  # the attack's


class NotDoneError(Exception):
    """The model could not be had anew: nothing is known of the inputs, in one line why."""


def ask(source: Source, claim: Claim) -> Verification:
    """What a fresh process says of the inputs; NotDoneError where it does not come so far."""
    file = io.BytesIO()
    words = {
        "path": sys.path,
        "source": asdict(source),
        **{key: getattr(claim, key) for key in ("threat", "bounds", "weights", "batch")},
    }
    np.savez(file, x_adv=claim.x_adv, x=claim.x, y=claim.y, words=json.dumps(words))
    try:
        done = subprocess.run(COMMAND, input=file.getvalue(), capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotDoneError(f"the process did not end: {error}") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {done.returncode}"]
        raise NotDoneError(lines[-1])
    said: dict[str, Any] = json.loads(done.stdout)
    if "reason" in said:
        raise NotDoneError(said["reason"])
    return Verification(np.array(said["fault"], np.int8), np.array(said["near"], bool))


def _answer(content: bytes) -> dict[str, Any]:
    """The other side of `ask`."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        words = json.loads(str(file["words"]))
        arrays = {key: file[key] for key in ("x_adv", "x", "y")}
    sys.path[:] = words["path"]  # what the run can import; which robust is meant is settled by now
    try:
        module = Source(**words["source"]).load()
    except (ValueError, LookupError) as error:
        return {"reason": str(error.args[0])}
    if hash_weights(module) != words["weights"]:
        return {"reason": "loaded anew, the model has other weights"}
    bounds = tuple(words["bounds"])
    look = verify(module, **arrays, threat=words["threat"], bounds=bounds, batch=words["batch"])
    return {"fault": look.fault.tolist(), "near": look.near.tolist()}


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):  # what a user's file prints is no answer
        answer = _answer(sys.stdin.buffer.read())
    sys.stdout.write(json.dumps(answer))
