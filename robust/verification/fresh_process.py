"""Verify in a fresh process: a Python that has run no attack loads the model again and checks the inputs.

So nothing that a run did to its own process, to the module or to torch, can change the result.
"""

import io
import json
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from robust.attacks.criteria.criterion import LabelKind
from robust.attacks.layout import Layout
from robust.attacks.rng import seeded
from robust.data.factory import open_data
from robust.data.pictures import Pictures
from robust.device import parse_device
from robust.models.answering import add_draws
from robust.models.checkpoint import fit_weights, read_weights
from robust.models.format import Terms
from robust.models.load import get_builder, load
from robust.models.permissions import Permissions
from robust.models.spec import ModelSpec
from robust.models.weights import hash_weights
from robust.verification.candidates import Candidates
from robust.verification.check import Verification, verify
from robust.verification.nearby import ask_nearby

# -P, or a robust.py of the user's would be taken for this package.
COMMAND = [sys.executable, "-P", "-m", "robust.verification.fresh_process"]
PROBED_INPUTS = 16  # on which the model is tried as it is loaded
SECONDS = 600  # a process that has not answered by then is ended


@dataclass(frozen=True, slots=True)
class Source:
    """The source of a model, so that another process can load it. All fields go through JSON."""

    text: str  # the model as in --robust-model
    folder: str  # relative paths in `text` start here
    arch: str | None  # the architecture as in --robust-arch
    arch_folder: str
    normalize: str | None  # in canonical form, as in Settings
    shape: tuple[int, ...]  # of one input
    classes: int
    output: str  # how its answers are read, as in Terms
    trained: str | None  # the file with the weights of a training; None for the model as it is
    seed: int
    device: str
    labels: LabelKind = "class"  # what it answers with
    map_size: tuple[int, ...] = ()  # (height, width), if these are maps
    layout: str = ""  # of several inputs, as JSON
    code: tuple[str, ...] = ()  # this and the next two: what the model's files may do, as in Permissions
    safe_globals: tuple[str, ...] = ()
    globals_folder: str = ""
    draws: str = ""  # how its deployed answer is formed, if its answers are random

    def load(self, x: NDArray[np.float32], *, declared: bool = True) -> nn.Module:
        """Return the model on its device; ValueError or LookupError, in one line, if it cannot be loaded.

        It is tried on the inputs x, (n, *shape). `declared` is whether it must have `classes` classes, and not more.
        """
        spec, below = ModelSpec.parse(self.text, Path(self.folder)), Path(self.arch_folder)
        device = parse_device(self.device)
        terms = Terms(
            shape=tuple(self.shape),
            classes=self.classes,
            permissions=Permissions(tuple(self.code), tuple(self.safe_globals), Path(self.globals_folder)),
            normalize=self.normalize,
            output=self.output,
            labels=self.labels,
            map_size=tuple(self.map_size),
            layout=Layout.from_json(self.layout) if self.layout else None,
            inputs=torch.from_numpy(x[:PROBED_INPUTS]),
            declared=declared,
        )
        with seeded(self.seed, [device]):  # for factories that start from random weights
            if self.trained is None:
                module = load(spec, self.arch, below, terms).module
            else:
                module = get_builder(spec, self.arch, below, terms)()
                fit_weights(module, read_weights(Path(self.trained)))
        return add_draws(module, self.draws, self.labels).to(device)


class Afresh(NamedTuple):
    """The result of a fresh process."""

    verification: Verification
    logits: NDArray[np.float64] | None  # (k, classes): its answers to the inputs nearby, if there were some


class NotDoneError(Exception):
    """The model could not be loaded again, so nothing is known about the inputs; the message is one line."""


def verify_afresh(
    source: Source,
    candidates: Candidates,
    weights: str,
    nearby: NDArray[np.float32] | None = None,
    data: tuple[str, str] = ("", ""),
) -> Afresh:
    """Verify the candidates in a fresh process, and ask it for the logits of the inputs `nearby`, (k, *features).

    It answers these first, when it has seen no sample. `weights` is the SHA-256 that the model must have there. The
    `data`, by their spec and the folder of relative paths, are opened there where pictures are corrupted before a
    Dataset's own resize.
    NotDoneError if the process comes to no result.
    """
    request = {
        "path": sys.path,
        "source": asdict(source),
        "weights": weights,
        **{key: getattr(candidates, key) for key in ("threat", "bounds", "batch", "criterion", "tables", "layout")},
    }
    if candidates.pictures is not None:
        rows = candidates.pictures.find_rows(np.asarray(candidates.x[:]))
        request |= {"data": [*data, rows.tolist()]}
    file = io.BytesIO()
    arrays: dict[str, Any] = {"x_adv": candidates.x_adv, "x": candidates.x, "y": candidates.y}
    if candidates.theta is not None:
        arrays["theta"] = candidates.theta
    if nearby is not None:
        arrays["nearby"] = nearby
    np.savez(file, request=json.dumps(request), **arrays)
    try:
        process = subprocess.run(COMMAND, input=file.getvalue(), capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotDoneError(f"the process did not end: {error}") from None
    if process.returncode:
        lines = process.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {process.returncode}"]
        raise NotDoneError(lines[-1])
    try:
        answer: dict[str, Any] = json.loads(process.stdout)
    except ValueError:  # the model's code has ended it, or written over its answer
        raise NotDoneError("the process ended without an answer") from None
    if "reason" in answer:
        raise NotDoneError(answer["reason"])
    fault = np.array(answer["fault"], np.int8)
    verification = Verification(fault, np.array(answer["near"], bool), np.array(answer["undecided"], bool))
    return Afresh(verification, None if nearby is None else np.array(answer["logits"], np.float64))


def _answer_request(content: bytes) -> dict[str, Any]:
    """Verify what `verify_afresh` sent; return the result, or the reason why there is none, as JSON can hold it."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        request = json.loads(str(file["request"]))
        arrays = {key: file[key] for key in ("x_adv", "x", "y")}
        nearby, theta = file.get("nearby"), file.get("theta")
    sys.path[:] = request["path"]  # as in the run; this package is imported by now, so it cannot be replaced
    try:
        module = Source(**request["source"]).load(arrays["x"] if nearby is None else nearby)
        pictures = None if "data" not in request else _reopen(request["data"], arrays["x"])
    except (ValueError, LookupError) as error:
        return {"reason": str(error.args[0])}
    if hash_weights(module) != request["weights"]:
        return {"reason": "loaded again, the model has other weights"}
    # Inputs nearby come before the samples: a model that keeps what it is asked has nothing to compare them with.
    logits = [] if nearby is None else ask_nearby(module, nearby, request["source"]["seed"]).tolist()
    bounds = tuple(request["bounds"])
    rules = {key: request[key] for key in ("threat", "batch", "criterion", "tables", "layout")}
    verification = verify(module, Candidates(**arrays, bounds=bounds, **rules, theta=theta, pictures=pictures))
    return {**{name: flags.tolist() for name, flags in verification._asdict().items()}, "logits": logits}


def _reopen(data: list[Any], x: NDArray[np.float32]) -> Pictures | None:
    """Return what samples of the test split were before a Dataset's own resize; x are their inputs, (n, *shape).

    `data` is their spec, the folder of relative paths, and the samples' rows. ValueError if they have other inputs now.
    """
    text, folder, rows = data
    samples = open_data(text, Path(folder)).read_rows("test", np.array(rows, np.int64))
    if not np.array_equal(samples.x[:], x):
        raise ValueError(f"{text}, opened again, has other inputs, so that pictures before the resize are not known")
    return samples.pictures


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):  # a user's file may print
        answer = _answer_request(sys.stdin.buffer.read())
    sys.stdout.write(json.dumps(answer))
