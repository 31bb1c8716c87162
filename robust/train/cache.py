"""What was trained, kept by a hash of all that determines it: weights as safetensors, and a card that tells of them."""

import hashlib
import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from safetensors.torch import load_file, save
from torch import nn

from robust.attacks.rng import seeded
from robust.attacks.spec import Spec
from robust.attacks.text import slug
from robust.attacks.threats.lp import LpThreat
from robust.data.dataset import Dataset, Samples
from robust.data.lazy_inputs import load_rows
from robust.distributed.ranks import ALONE, Ranks
from robust.models.load import Build
from robust.records.files import private, read_object, write
from robust.train.cache_key import list_determinants
from robust.train.card import hash_content
from robust.train.curves import curve_csv, curve_svg, gradients_csv
from robust.train.factory import read_recipe
from robust.train.loop import Fit, fit
from robust.train.plan import Plan
from robust.train.split import split_off_validation
from robust.train.validate import Epoch

BESIDE = (".json", ".csv", ".gradients.csv", ".svg")

OnEpoch = Callable[[Epoch, Plan], None]
OnBatch = Callable[[float, Plan], None]  # (epochs that are done, of the plan)


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained module, and where its weights and its card are."""

    module: nn.Module
    path: Path  # and beside it, by the same name, .json, .csv, .gradients.csv and .svg
    card: dict[str, Any]
    selection: Samples  # by which the best epoch was chosen
    copy: Path | None = None  # of the weights, with one of the card beside it

    def copied(self, path: Path) -> "Trained":
        """The same, with copies of its card and its weights beside and at `path`, which replace what lies there."""
        for suffix in (".json", self.path.suffix):
            write(path.with_suffix(suffix), self.path.with_suffix(suffix).read_bytes())
        return replace(self, copy=path)


def train(
    build: Build,
    recipe: str,
    dataset: Dataset,
    threat: LpThreat,
    *,
    seed: int,
    folder: Path,
    name: str,
    source: Path | None = None,
    on_epoch: OnEpoch = lambda epoch, plan: None,
    on_batch: OnBatch = lambda done, plan: None,
    ranks: Ranks = ALONE,
) -> Trained:
    """Train a fresh module of `build`, or load what was trained so before; of parallel processes only one trains.

    The ranks of a torchrun train together, and the first keeps what they train. A training that was stopped, in
    whatever way, goes on where it was, also with another number of ranks.
    `source` is the file that the module comes from: another content is another module.
    """
    method = read_recipe(recipe)
    samples = dataset.load("train")
    module = _seeded(build, seed)
    made_of = ranks.once(lambda: list_determinants(module, method, recipe, dataset, samples, threat, seed))
    made_of["source"] = ranks.once(lambda: hashlib.sha256(source.read_bytes()).hexdigest() if source else None)
    key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    path = folder / f"{slug(name)}-{Spec.parse(recipe).slug[:60]}-{key[:8]}.safetensors"
    unfinished = folder / ".unfinished"
    ranks.once(lambda: private(unfinished))
    saved = unfinished / f"{key}.pt"
    with FileLock(unfinished / f"{key}.lock") if ranks.first else nullcontext():
        if not ranks.once(path.exists):
            found = fit(
                module,
                method,
                samples,
                threat,
                seed=seed,
                on_epoch=lambda epoch: on_epoch(epoch, method.plan),
                on_batch=lambda done: on_batch(done, method.plan),
                saved=saved,
                ranks=ranks,
            )
            card = {**made_of, "key": key, **_results(found, samples, seed), "processes": ranks.size}
            ranks.once(lambda: _write(path, found, card))
            ranks.once(lambda: saved.unlink(missing_ok=True))
    module.load_state_dict(ranks.once(lambda: load_file(path)))  # what is measured is what lies on the disk
    card = ranks.once(lambda: read_object(path.with_suffix(".json")))
    if not card:
        raise ValueError(f"{path}: there is no sound card (.json) beside these weights; remove them to train again")
    return Trained(module, path, card, split_off_validation(samples, seed)[1])


def load_selection(card: dict[str, Any], dataset: Dataset) -> Samples | None:
    """By what the epoch was chosen, by the card of its weights; None where it is of other data than the data set's."""
    try:
        if card["data"]["name"] != dataset.name:
            return None
        rows = np.array(card["selected_by"]["index"], np.int64)
        x, y = dataset.read("train")
        selection = Samples(load_rows(x, rows), y[rows], rows)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return selection if selection.digest == card["selected_by"]["digest"] else None


def _write(path: Path, found: Fit, card: dict[str, Any]) -> None:
    """All that is kept of a training; the weights come last, since where they are nothing is trained again."""
    weights = save({name: tensor.detach().clone() for name, tensor in found.weights.items()})
    texts = (
        json.dumps({**card, "file": hash_content(weights)}, indent=1) + "\n",
        curve_csv(found.curve),
        gradients_csv(found.curve),
        curve_svg(found.curve, found.best.number, card["recipe"]),
    )
    for suffix, text in zip(BESIDE, texts, strict=True):
        write(path.with_suffix(suffix), text.encode())
    write(path, weights)


def _seeded(build: Build, seed: int) -> nn.Module:
    with seeded(seed):
        return build()


def _results(found: Fit, samples: Samples, seed: int) -> dict[str, Any]:
    learn, validation = split_off_validation(samples, seed)
    return {
        "learnt_from": {"n": len(learn), "digest": learn.digest},
        "selected_by": {"n": len(validation), "digest": validation.digest, "index": validation.index.tolist()},
        "best": found.best.told(),
        "last": found.curve[-1].told(),
        "curve": [epoch.told() for epoch in found.curve],
        "notes": [*found.notes],
        "minutes": round(found.seconds / 60, 3),
    }
