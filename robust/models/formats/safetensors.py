"""safetensors: weights in a format that cannot hold code."""

from robust.attacks.text import brief
from robust.models.format import Loaded, Source, Terms, model_format

MAX_HEADER = 2**24  # bytes: a hundred times the header of a large model


def _matches(source: Source) -> bool:
    length = int.from_bytes(source.head[:8], "little")
    return source.head[8:9] == b"{" and length < source.path.stat().st_size


@model_format("safetensors", "safetensors", _matches)
def read(source: Source, terms: Terms) -> Loaded:
    """Return the tensors by name; ValueError if the file is damaged."""
    del terms
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if (length := int.from_bytes(source.head[:8], "little")) > MAX_HEADER:
        raise ValueError(f"is not a sound safetensors file: its header takes {length:,} bytes")
    try:
        return Loaded(load_file(source.path))
    except (SafetensorError, ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"is not a sound safetensors file: {brief(str(error))}") from None
