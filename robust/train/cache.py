"""A cache of trained weights, by a hash of all that determines them: safetensors, with a card of the training."""

import hashlib
import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from safetensors.torch import load, save
from torch import Tensor, nn

from robust.attacks.files import read_content
from robust.attacks.rng import seeded
from robust.attacks.spec import Spec
from robust.attacks.text import slug
from robust.data.dataset import Dataset, Samples
from robust.distributed.ranks import ALONE, Ranks
from robust.models.normalize import find_normalization
from robust.records.files import private, read_object, refuse_links, write
from robust.train.cache_key import list_determinants
from robust.train.card import hash_content, read_card
from robust.train.curves import curve_csv, curve_svg, gradients_csv
from robust.train.factory import Method, read_recipe
from robust.train.failures import AbandonedError
from robust.train.loop import Fit, fit
from robust.train.plan import Plan
from robust.train.setup import FitOptions, TrainingSpec
from robust.train.split import split_off_validation
from robust.train.strength import count_samples, measure_strength
from robust.train.validate import Epoch

BESIDE = (".json", ".csv", ".gradients.csv", ".svg")

OnEpoch = Callable[[Epoch, Plan], None]
OnBatch = Callable[[float, Plan], None]  # (the number of epochs done, the plan)
OnResume = Callable[[int, Plan], None]  # (the epoch at which an earlier training goes on, the plan)


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained module, and where its weights and its card are."""

    module: nn.Module
    path: Path  # of the weights; beside it, by the same name, .json, .csv, .gradients.csv and .svg
    card: dict[str, Any]
    selection: Samples  # the samples that selected the best epoch
    copy: Path | None = None  # of the weights, with a copy of the card beside it

    def copy_to(self, path: Path) -> "Trained":
        """Copy the weights to `path` and the card beside it, replacing what is there; return it with that path."""
        for suffix in (".json", self.path.suffix):
            write(path.with_suffix(suffix), self.path.with_suffix(suffix).read_bytes())
        return replace(self, copy=path)


def train(
    spec: TrainingSpec,
    folder: Path,
    *,
    on_epoch: OnEpoch = lambda epoch, plan: None,
    on_batch: OnBatch = lambda done, plan: None,
    on_resume: OnResume = lambda epoch, plan: None,
    on_kept: OnEpoch = lambda epoch, plan: None,
    on_start: Callable[[str], None] = lambda line: None,
    ranks: Ranks = ALONE,
) -> Trained:
    """Train a fresh module as `spec` says, or load the weights from an earlier such training in `folder`.

    Of parallel processes only one trains. The ranks of a torchrun train together, and the first writes the files. A
    training that was stopped at any moment goes on where it was, also with another number of ranks.
    """
    method = read_recipe(spec.recipe)
    samples = spec.dataset.load("train")
    with seeded(spec.seed):
        module = spec.build()
    card = ranks.once(lambda: list_determinants(spec, module, method, samples))
    key = hashlib.sha256(json.dumps(card, sort_keys=True).encode()).hexdigest()
    path = folder / f"{slug(spec.name)}-{Spec.parse(spec.recipe).slug[:60]}-{key[:8]}.safetensors"
    unfinished = folder / ".unfinished"
    saved, lock = unfinished / f"{key}.pt", unfinished / f"{key}.lock"
    ranks.once(lambda: private(refuse_links(folder.parent, lock).parent))
    options = FitOptions(
        lambda epoch: on_epoch(epoch, method.plan),
        lambda done: on_batch(done, method.plan),
        lambda epoch: on_resume(epoch, method.plan),
        lambda epoch: on_kept(epoch, method.plan),
        on_start,
        saved,
        ranks,
    )
    with FileLock(lock) if ranks.first else nullcontext():
        kept = ranks.once(lambda: _read_kept(path, key))
        if kept is None:
            try:
                result = fit(module, method, samples, spec.threat, seed=spec.seed, options=options)
            except AbandonedError:
                ranks.once(lambda: saved.unlink(missing_ok=True))
                raise
            card = {**card, "key": key, **_results(result, samples, spec.seed), "processes": ranks.size}
            card["normalize"] = find_normalization(module)
            card |= ranks.once(lambda: _measure_suite(module, method, result, samples, spec))
            ranks.once(lambda: _write(path, result, card))
            ranks.once(lambda: saved.unlink(missing_ok=True))
            kept = ranks.once(lambda: _read_kept(path, key))  # so that the weights on the disk are measured
    if kept is None:
        raise ValueError(f"{path}: is not what was written there; is the disk sound?")
    weights, card = kept
    module.load_state_dict(weights)
    return Trained(module, path, card, split_off_validation(samples, spec.seed)[1])


def _read_kept(path: Path, key: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Return the weights of an earlier training and their card; None if there is none, or a file of it is damaged.

    Then the training is made again: what a cache holds is only worth having if it is what was written.
    """
    card = read_object(path.with_suffix(".json"))  # our own, whose texts are not shortened as a stranger's are
    if read_card(path) is None or card["key"] != key:
        return None
    content = read_content(path)
    return (load(content), card) if hash_content(content) == card["file"] else None


def load_selection(card: dict[str, Any], dataset: Dataset) -> Samples | None:
    """Return the samples that selected the best epoch, according to the card; None if they are not of this data set."""
    try:
        if card["data"]["name"] != dataset.name:
            return None
        rows = np.array(card["selected_by"]["index"], np.int64)
        selection = dataset.read_rows("train", rows)
    except Exception:  # the card is a stranger's, and so are the numbers of its samples
        return None
    return selection if selection.digest == card["selected_by"]["digest"] else None


def _write(path: Path, result: Fit, card: dict[str, Any]) -> None:
    """Write all files of a training, the weights last: if they exist, nothing is trained again."""
    weights = save({name: tensor.detach().clone() for name, tensor in result.weights.items()})
    texts = (
        json.dumps({**card, "file": hash_content(weights)}, indent=1) + "\n",
        curve_csv(result.curve),
        gradients_csv(result.curve),
        curve_svg(result.curve, result.best.number, card["recipe"]),
    )
    for suffix, text in zip(BESIDE, texts, strict=True):
        write(path.with_suffix(suffix), text.encode())
    write(path, weights)


def _measure_suite(
    module: nn.Module, method: Method, result: Fit, samples: Samples, spec: TrainingSpec
) -> dict[str, Any]:
    """Return the card's field on what a suite leaves of the best epoch; none if the recipe is not for robustness."""
    if method.recipe.selects == "clean":
        return {}
    learn, validation = split_off_validation(samples, spec.seed)
    part = np.arange(count_samples(method, len(learn), len(validation), len(result.curve)))
    module.load_state_dict(result.weights)
    classes = len(result.best.by_class) or (spec.dataset.classes if samples.map_size else samples.y.shape[1])
    assert classes is not None
    return {"suite": measure_strength(module, validation.take(part), spec.threat, classes=classes, seed=spec.seed)}


def _results(result: Fit, samples: Samples, seed: int) -> dict[str, Any]:
    """Return the card's fields on the result of a training."""
    learn, validation = split_off_validation(samples, seed)
    return {
        "learnt_from": {"n": len(learn), "digest": learn.digest},
        "selected_by": {"n": len(validation), "digest": validation.digest, "index": validation.index.tolist()},
        "best": result.best.card_fields(),
        "last": result.curve[-1].card_fields(),
        "curve": [epoch.card_fields() for epoch in result.curve],
        "notes": [*result.notes],
        "minutes": round(result.seconds / 60, 3),
    }
