"""Programs of torch.export, .pt2."""

import torch

from robust.models.format import Loaded, Source, Terms, model_format


def _told(source: Source) -> bool:
    return any(name.endswith("/archive_format") for name in source.members)


@model_format("exported", "a torch.export program", _told, runs_code=True)
def read(source: Source, terms: Terms) -> Loaded:
    """The program as a module."""
    del terms
    with source.path.open("rb") as file:
        return Loaded(torch.export.load(file).module())
