"""TorchScript programs, of torch.jit.save."""

import warnings

import torch

from robust.models.format import Loaded, Source, Terms, model_format


def _told(source: Source) -> bool:
    return any(name.endswith("/constants.pkl") for name in source.members)


@model_format("torchscript", "a TorchScript program", _told, runs_code=True)
def read(source: Source, terms: Terms) -> Loaded:
    """The program as a module."""
    del terms
    with source.path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return Loaded(torch.jit.load(file, map_location="cpu"))  # type: ignore[no-untyped-call]
