"""safetensors: weights that cannot carry code."""

from robust.attacks.text import brief
from robust.models.format import Loaded, Source, Terms, model_format

MOST_HEADER = 2**24  # bytes: a hundred times the header of a large model


def _told(source: Source) -> bool:
    length = int.from_bytes(source.head[:8], "little")
    return source.head[8:9] == b"{" and length < source.path.stat().st_size


@model_format("safetensors", "safetensors", _told)
def read(source: Source, terms: Terms) -> Loaded:
    """The tensors by name."""
    del terms
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if (length := int.from_bytes(source.head[:8], "little")) > MOST_HEADER:
        raise ValueError(f"is not a sound safetensors file: its header takes {length:,} bytes")
    try:
        return Loaded(load_file(source.path))
    except (SafetensorError, ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"is not a sound safetensors file: {brief(str(error))}") from None
