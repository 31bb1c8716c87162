"""safetensors: weights in a format that cannot hold code."""

from robust.attacks.text import brief
from robust.models.format import Loaded, Source, Terms, model_format
from robust.models.safetensors_header import MAX_HEADER


def _matches(source: Source) -> bool:
    return source.has_header


@model_format("safetensors", "safetensors", _matches, alone=True)
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
