"""Lineage: a digest of all that the folds of one recipe have in common, so that only such folds make a row together."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from robust.data.dataset import Samples
from robust.session.payload import Setup
from robust.settings.settings import Settings
from robust.train.factory import read_recipe

Lineage = Callable[[Setup], str]


def make_lineage(settings: Settings, read_samples: Callable[[], list[Samples]]) -> Lineage:
    """Return what tells the lineage of a test's model; `read_samples` reads those of all folds, once it is asked for.

    It is of the model and its file, the architecture's file, the recipe with the options that files say, the threat
    models, the seed and the samples of all folds; not of the weights, of which each fold has its own.
    """
    known: list[str] = []
    files = {spec.text: _hash(spec.path) for spec in settings.models}
    arch = _hash(settings.folder / str(settings.arch).partition(":")[0]) if settings.arch else ""

    def find(setup: Setup) -> str:
        if not known:
            known.extend(samples.digest for samples in read_samples())
        text, training = setup.model_text, setup.model.training
        own = [text, files.get(text, ""), setup.arch, arch, setup.model.params, setup.seed, setup.criterion]
        content = [own, read_recipe(training).options, settings.threats, known]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    return find


def _hash(path: Path) -> str:
    """Return the SHA-256 of a file; "" for what is no file, as an architecture of a library."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
