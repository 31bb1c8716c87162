"""Folders of transformers' save_pretrained: image classifiers with weights in safetensors, and no code of their own."""

import json
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from robust.attacks.text import brief
from robust.models.checkpoint import join_names
from robust.models.format import Loaded, Source, Terms, model_format
from robust.models.normalize import NONE, add_normalization, describe_normalize, format_normalize, read_normalize
from robust.user_code import is_installed, run_user_code

PROCESSOR = "preprocessor_config.json"
CONFIGS = ("config.json", PROCESSOR)
MOST_BYTES = 2**24  # of a file of JSON


class Logits(nn.Module):
    """A classifier of transformers that answers with its logits alone."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(pixel_values=x).logits
        return logits


def _told(source: Source) -> bool:
    return not source.head and "config.json" in source.members


@model_format("transformers", "a folder of transformers", _told)
def read(source: Source, terms: Terms) -> Loaded:
    """The classifier, normalised as its processor does unless the user says how. Its pictures are in [0, 1].

    LookupError where transformers is not installed.
    """
    for name in CONFIGS:
        if name in source.members and "auto_map" in _json(source.path / name):
            raise ValueError(
                f"has code of its own ({name}, auto_map), which is not run; name a FILE.py:FACTORY instead"
            )
    if not any(name.endswith(".safetensors") for name in source.members):
        raise ValueError("is a folder of transformers without weights in safetensors, which save_pretrained writes")
    if not is_installed("transformers"):
        raise LookupError("transformers is not installed; pip install 'pytest-robust[transformers]'")
    module = Logits(run_user_code(lambda: _pretrained(source.path)))
    if terms.normalize is not None:
        return Loaded(module)
    if PROCESSOR not in source.members:
        return Loaded(module, (f"there is no {PROCESSOR}, so inputs are not normalised",))
    own = read_normalize(run_user_code(lambda: _processor(source.path)))
    return Loaded(add_normalization(module, own), describe_normalize(own))


def _pretrained(path: Path) -> nn.Module:
    from transformers import AutoModelForImageClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    found, told = AutoModelForImageClassification.from_pretrained(
        path,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        attn_implementation="eager",  # a config may name kernels to download
        output_loading_info=True,
    )
    if lacking := sorted(told["missing_keys"]):  # transformers would draw them
        raise ValueError(f"the weights lack {len(lacking)} of the model's ({join_names(lacking, 2)})")
    module: nn.Module = found.eval()
    return module


def _processor(path: Path) -> str:
    """What the folder's processor does to pixels from 0 to 255, as MEAN/STD for the same from 0 to 1, or "none"."""
    from transformers import AutoImageProcessor

    own = AutoImageProcessor.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    scale = 255 * (own.rescale_factor if own.do_rescale else 1.0)
    mean, std = (own.image_mean, own.image_std) if own.do_normalize else ([0.0], [1.0])
    written = format_normalize([number / scale for number in mean], [number / scale for number in std])
    return NONE if written == "0/1" else written


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("it is too large")
        found = json.loads(path.read_text("utf-8"))
        if not isinstance(found, dict):
            raise ValueError("expected an object")
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"has a {path.name} that cannot be read: {brief(str(error))}") from None
    return found
