"""Folders of transformers' save_pretrained: image classifiers with weights in safetensors, without custom code."""

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
MAX_BYTES = 2**24  # of a file of JSON


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
        if name in source.members and "auto_map" in _json(source.path / name):
            raise ValueError(
                f"has code of its own ({name}, auto_map), which is not run; name a FILE.py:FACTORY instead"
            )
    if not any(name.endswith(".safetensors") for name in source.members):
        raise ValueError("is a folder of transformers without weights in safetensors, which save_pretrained writes")
    if not is_installed("transformers"):
        raise LookupError("transformers is not installed; pip install 'pytest-robust[transformers]'")
    module = Logits(run_user_code(lambda: _load_classifier(source.path)))
    if terms.normalize is not None:
        return Loaded(module)
    if PROCESSOR not in source.members:
        return Loaded(module, (f"there is no {PROCESSOR}, so inputs are not normalised",))
    normalize = read_normalize(run_user_code(lambda: _read_processor(source.path)))
    return Loaded(add_normalization(module, normalize), describe_normalize(normalize))


def _load_classifier(path: Path) -> nn.Module:
    from transformers import AutoModelForImageClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    classifier, info = AutoModelForImageClassification.from_pretrained(
        path,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        attn_implementation="eager",  # a config may name kernels to download
        output_loading_info=True,
    )
    if missing := sorted(info["missing_keys"]):  # transformers would draw them at random
        raise ValueError(f"the weights lack {len(missing)} of the model's ({join_names(missing, 2)})")
    module: nn.Module = classifier.eval()
    return module


def _read_processor(path: Path) -> str:
    """Return the normalisation of the folder's processor, as MEAN/STD for pixels from 0 to 1, or "none"."""
    from transformers import AutoImageProcessor

    processor = AutoImageProcessor.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    scale = 255 * (processor.rescale_factor if processor.do_rescale else 1.0)
    mean, std = (processor.image_mean, processor.image_std) if processor.do_normalize else ([0.0], [1.0])
    written = format_normalize([number / scale for number in mean], [number / scale for number in std])
    return NONE if written == "0/1" else written


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("it is too large")
        content = json.loads(path.read_text("utf-8"))
        if not isinstance(content, dict):
            raise ValueError("expected an object")
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"has a {path.name} that cannot be read: {brief(str(error))}") from None
    return content
