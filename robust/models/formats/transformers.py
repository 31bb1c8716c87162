"""Folders of transformers' save_pretrained: image classifiers with weights in safetensors, without custom code."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from robust.attacks.text import brief
from robust.models.checkpoint import join_names
from robust.models.format import Loaded, Source, Terms, model_format
from robust.models.formats._transformers_config import read_config, read_json, refuse_strangers
from robust.models.normalize import NONE, add_normalization, describe_normalize, format_normalize, read_normalize
from robust.user_code import is_installed, run_user_code

PROCESSOR = "preprocessor_config.json"
CONFIGS = ("config.json", PROCESSOR)


class Logits(nn.Module):
    """A classifier of transformers that answers with its logits alone."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(pixel_values=x).logits
        return logits


def _matches(source: Source) -> bool:
    return not source.head and "config.json" in source.members


@model_format("transformers", "a folder of transformers", _matches)
def read(source: Source, terms: Terms) -> Loaded:
    """Return the classifier, normalised as its processor does unless the user says how. Its images are in [0, 1].

    ValueError if the folder has custom code or no safetensors; LookupError if transformers is not installed.
    """
    for name in CONFIGS:
        if name in source.members and "auto_map" in read_json(source.path / name):
            raise ValueError(
                f"has code of its own ({name}, auto_map), which is not run; name a FILE.py:FACTORY instead"
            )
    if not any(name.endswith(".safetensors") for name in source.members):
        raise ValueError("is a folder of transformers without weights in safetensors, which save_pretrained writes")
    if not is_installed("transformers"):
        raise LookupError("transformers is not installed; pip install 'pytest-robust[transformers]'")
    refuse_strangers(source.path, source.members)
    config = read_config(source.path, source.members)
    classifier, notes = run_user_code(lambda: _load_classifier(source.path, config))
    module = Logits(classifier)
    if terms.normalize is not None:
        return Loaded(module, notes)
    if PROCESSOR not in source.members:
        return Loaded(module, (*notes, f"there is no {PROCESSOR}, so inputs are not normalised"))
    normalize = read_normalize(_read_processor(source.path))
    return Loaded(add_normalization(module, normalize), (*notes, *describe_normalize(normalize)))


def _load_classifier(path: Path, config: Any) -> tuple[nn.Module, tuple[str, ...]]:
    """Return the classifier, and a note on weights that it does not use."""
    from transformers import AutoModelForImageClassification

    with _silence():
        classifier, info = AutoModelForImageClassification.from_pretrained(
            path,
            config=config,  # ours: what else stands in the file is not looked at
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            attn_implementation="eager",  # a config may name kernels to download
            output_loading_info=True,
        )
    if missing := sorted(info["missing_keys"]):  # transformers would draw them at random
        raise ValueError(f"the weights lack {len(missing)} of the model's ({join_names(missing, 2)})")
    unused = sorted(info["unexpected_keys"])
    note = f"the weights hold more than the model has, which was left out: {join_names(unused, 2)}"
    return classifier.eval(), (note,) * bool(unused)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep back the library's progress and log, which quotes the names of tensors: what matters is told by us."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def _read_processor(path: Path) -> str:
    """Return the normalisation of the folder's processor, as MEAN/STD for pixels from 0 to 1, or "none".

    The file is read here: the library would choose a class of its own by what stands in it.
    """
    content = read_json(path / PROCESSOR)
    rescale = content.get("rescale_factor", 1 / 255) if content.get("do_rescale", True) else 1.0
    scale = 255 * _number(rescale)
    mean, std = ([0.0], [1.0])
    if content.get("do_normalize", True):
        mean, std = (_numbers(content, key) for key in ("image_mean", "image_std"))
    written = format_normalize([number / scale for number in mean], [number / scale for number in std])
    return NONE if written == "0/1" else written


def _numbers(content: dict[str, Any], key: str) -> list[float]:
    values = content.get(key)
    if not isinstance(values, list | int | float) or values == []:
        raise ValueError(
            f"has a {PROCESSOR} without {key}; say how inputs are normalised, as --robust-normalize=0.5/0.5"
        )
    return [_number(value) for value in (values if isinstance(values, list) else [values])]


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"has a {PROCESSOR} with {brief(repr(value))}, expected a number")
    return float(value)
