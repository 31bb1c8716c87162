"""A transformers folder's config, read here: only known types and keys reach the library, and sizes are bounded.

A config can name other loaders, files, code and models of the network. None of these is followed.
"""

import itertools
import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from robust.attacks.files import open_regular, read_content
from robust.attacks.text import brief, printable
from robust.models.checkpoint import join_names
from robust.user_code import run_user_code

MAX_BYTES = 2**24  # of a file of JSON
MAX_SIZE = 2**16  # of any number in a config: larger than any width, and than most numbers of classes
MAX_LIST = 2**12  # entries of a list: more than any network has layers
PARTS = 100  # modules and parameters to a tensor of the weights: more than any network has

# Image classifiers that are built from their config alone: no other model's config, backbone or library is in it. Not
# levit, whose construction counts pairs of pixels one by one: by its config for days.
TYPES = frozenset(
    {
        "beit", "bit", "convnext", "convnextv2", "cvt", "data2vec-vision", "deit", "dinov2", "dinov2_with_registers",
        "efficientnet", "focalnet", "hgnet_v2", "hiera", "ijepa", "mobilenet_v1", "mobilenet_v2", "mobilevit",
        "mobilevitv2", "poolformer", "pvt", "pvt_v2", "regnet", "resnet", "segformer", "swiftformer", "swin", "swinv2",
        "vit", "vit_msn",
    }
)  # fmt: skip
# Keys that say how or from where to load; what stays decides the shape and the function of the network.
LEFT_OUT = ("auto_map", "_name_or_path", "transformers_version", "quantization_config", "dtype", "torch_dtype")
STRANGERS = ("adapter_config.json", "config.json.index.json")  # files by which the library loads something else


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a file of JSON; ValueError, in one line, if there is none."""
    try:
        content = json.loads(read_content(path, MAX_BYTES))
        if not isinstance(content, dict):
            raise ValueError("expected an object")
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"has a {path.name} that cannot be read: {brief(str(error))}") from None
    return content


def refuse_strangers(folder: Path, members: tuple[str, ...]) -> None:
    """Raise ValueError if a file leads the library out of the folder: an adapter, an index of other files."""
    for name in members:
        if name in STRANGERS:
            raise ValueError(f"has a {name}, which names another model; merge it, and save the whole model")
        if name.endswith(".index.json"):
            shards = map(str, _values(read_json(folder / name).get("weight_map")))
            wrong = [shard for shard in shards if shard not in members or not shard.endswith(".safetensors")]
            if wrong:
                fault = f"has a {printable(name)} that names what is no file of weights here"
                raise ValueError(f"{fault}: {join_names(wrong, 2)}")


def _values(content: object) -> list[object]:
    if not isinstance(content, dict):
        raise ValueError("has an index of weights without a weight_map")
    return list(content.values())


def read_config(folder: Path, members: tuple[str, ...]) -> Any:
    """Return the folder's config as the library's object; ValueError, in one line, for one that is not taken."""
    content = read_json(folder / "config.json")
    kind = content.get("model_type")
    if not isinstance(kind, str) or kind not in TYPES:
        fault = f"is a folder of transformers of the type {brief(str(kind), 80)}"
        raise ValueError(f"{fault}; read are image classifiers of these: {', '.join(sorted(TYPES))}")
    tensors, size = _measure_weights(folder, members)
    _refuse_large(content, tensors)
    config = run_user_code(lambda: _build_config(kind, content))
    needed = run_user_code(lambda: _count_numbers(config, tensors))
    if needed > size:
        raise ValueError(f"has a config.json of a network of {needed:,} numbers, and weights of {size:,} bytes")
    return config


def _build_config(kind: str, content: dict[str, Any]) -> Any:
    from transformers import CONFIG_MAPPING

    config_class = CONFIG_MAPPING[kind]
    keys = config_class().to_dict().keys() - {*LEFT_OUT} | {"architectures"}
    return config_class(**{key: value for key, value in content.items() if key in keys})


def _count_numbers(config: Any, tensors: int) -> int:
    """Return the number of parameters of the config's network, which is built without memory for them.

    It is not built to the end if it has many more parts than the weights have tensors.
    """
    import torch
    from transformers import AutoModelForImageClassification

    with torch.device("meta"), _limit_parts(PARTS * (tensors + 10)):
        module = AutoModelForImageClassification.from_config(config, attn_implementation="eager")
    return sum(parameter.numel() for parameter in module.parameters())


@contextmanager
def _limit_parts(most: int) -> Iterator[None]:
    """Stop the construction of a network at so many modules and parameters: ValueError."""
    from torch.nn.modules import module

    parts = itertools.count(1)

    def count(*_: object) -> None:
        if next(parts) > most:
            raise ValueError(f"the network has more than {most} parts, which its weights cannot fill")

    hooks = (module.register_module_module_registration_hook, module.register_module_parameter_registration_hook)
    handles = [register(count) for register in hooks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _refuse_large(content: object, tensors: int, key: str = "") -> None:
    """Raise ValueError for a number that no network of so many tensors has: the library would allocate by it."""
    if isinstance(content, dict):
        for name, value in content.items():
            _refuse_large(value, tensors, str(name))
    elif isinstance(content, list):
        if len(content) > MAX_LIST:
            raise ValueError(
                f"has a config.json with {len(content)} numbers of {brief(key)}; expected {MAX_LIST} at most"
            )
        for value in content:
            _refuse_large(value, tensors, key)
    elif isinstance(content, int | float):
        most = tensors if "layers" in key or "depth" in key else MAX_SIZE
        if not abs(content) <= most:  # NaN is not, either
            raise ValueError(f"has a config.json with {brief(key)}={brief(repr(content), 40)}; expected {most} at most")


def _measure_weights(folder: Path, members: tuple[str, ...]) -> tuple[int, int]:
    """Return (the number of tensors, their bytes) of all files of weights, by their headers."""
    tensors = size = 0
    for name in members:
        if name.endswith(".safetensors"):
            try:
                with open_regular(folder / name) as file:
                    (length,) = struct.unpack("<Q", file.read(8))
                    header = json.loads(file.read(min(length, MAX_BYTES)))
                    size += file.seek(0, 2) - 8 - length
                tensors += len(header.keys() - {"__metadata__"})
            except (OSError, ValueError, AttributeError, RecursionError, struct.error) as error:
                raise ValueError(f"has a {printable(name)} that is damaged: {brief(str(error))}") from None
    return tensors, size
