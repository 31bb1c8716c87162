"""TorchScript programs, of torch.jit.save."""

import warnings

import torch
from torch import Tensor, nn

from robust.models.format import Loaded, Source, Terms, model_format
from robust.models.program import Batched, Program
from robust.user_code import run_user_code

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # sizes that are usual in tracing, which fixes the size in the program


def _matches(source: Source) -> bool:
    return any(name.endswith("/constants.pkl") for name in source.members)


@model_format("torchscript", "a TorchScript program", _matches, runs_code=True)
def read(source: Source, terms: Terms) -> Loaded:
    """Return the program as a module, in evaluation mode."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        program = run_user_code(lambda: _load(source))
    size = _find_batch_size(program, terms.shape)
    if size is None:
        return Loaded(Program(program, source))
    return Loaded(Program(Batched(program, size, size), source), (f"made for batches of {size}",))


def _load(source: Source) -> nn.Module:
    with source.path.open("rb") as file:
        program: nn.Module = torch.jit.load(file, map_location="cpu").eval()  # type: ignore[no-untyped-call]
    return program


def _find_batch_size(program: nn.Module, shape: tuple[int, ...]) -> int | None:
    """Return the only batch size that the program takes, found by trying; None if it takes any, or none of BATCHES."""

    def takes(n: int) -> bool:
        try:
            with torch.no_grad():
                logits = program(torch.zeros(n, *shape))
        except Exception:  # a program raises anything
            return False
        return isinstance(logits, Tensor) and logits.shape[:1] == (n,)

    return None if takes(3) else next((n for n in BATCHES if takes(n)), None)
