"""Programs of torch.export, .pt2.

They can run code: torch.export.load unpickles without restrictions if its restricted unpickler fails.
"""

import warnings

import torch
from torch import nn
from torch.export import ExportedProgram

from robust.models.format import Loaded, Source, Terms, model_format
from robust.models.program import Batched, Program
from robust.user_code import run_user_code

UNBOUNDED = 2**30  # a batch size that no data reaches


def _matches(source: Source) -> bool:
    return any(name.endswith("/archive_format") for name in source.members)


@model_format("exported", "a torch.export program", _matches, runs_code=True)
def read(source: Source, terms: Terms) -> Loaded:
    """Return the program as a module; ValueError if it does not take exactly one tensor."""
    del terms
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler, which is imported here, gives warnings
        program, module = run_user_code(lambda: _load(source))
    low, high = _batch_limits(program)
    if low <= 1 and high >= UNBOUNDED:
        return Loaded(Program(module, source))
    sizes = f"{low}" if low == high else f"{low} to {high}" if high < UNBOUNDED else f"{low} or more"
    return Loaded(Program(Batched(module, low, high), source), (f"made for batches of {sizes}",))


def _load(source: Source) -> tuple[ExportedProgram, nn.Module]:
    with source.path.open("rb") as file:
        program = torch.export.load(file)
    return program, program.module()


def _batch_limits(program: ExportedProgram) -> tuple[int, int]:
    """Return the sizes of the smallest and the largest batch that the program takes."""
    names = program.graph_signature.user_inputs
    inputs = [node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    if len(inputs) != 1 or not isinstance(inputs[0], torch.Tensor) or not inputs[0].ndim:
        raise ValueError(f"is a torch.export program of {len(inputs)} inputs, expected one: a batch of tensors")
    size = inputs[0].shape[0]
    if isinstance(size, int):
        return size, size
    bounds = program.range_constraints.get(size.node.expr)
    if bounds is None:
        return 1, UNBOUNDED
    low, high = (int(min(bound, UNBOUNDED)) for bound in (bounds.lower, bounds.upper))
    return low, high
