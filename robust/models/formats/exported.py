"""Programs of torch.export, .pt2.

torch.export.load unpickles in full where its restricted unpickler fails, so these are code.
"""

import warnings

import torch
from torch import nn
from torch.export import ExportedProgram

from robust.models.format import Loaded, Source, Terms, model_format
from robust.models.program import Batched, Program
from robust.user_code import run_user_code

UNBOUNDED = 2**30  # samples: more than there ever are


def _told(source: Source) -> bool:
    return any(name.endswith("/archive_format") for name in source.members)


@model_format("exported", "a torch.export program", _told, runs_code=True)
def read(source: Source, terms: Terms) -> Loaded:
    """The program as a module; ValueError where it does not take one tensor."""
    del terms
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler that is imported on the way
        program, module = run_user_code(lambda: _load(source))
    least, most = _batch(program)
    if least <= 1 and most >= UNBOUNDED:
        return Loaded(Program(module, source))
    told = f"{least}" if least == most else f"{least} to {most}" if most < UNBOUNDED else f"{least} or more"
    return Loaded(Program(Batched(module, least, most), source), (f"made for batches of {told}",))


def _load(source: Source) -> tuple[ExportedProgram, nn.Module]:
    with source.path.open("rb") as file:
        program = torch.export.load(file)
    return program, program.module()


def _batch(program: ExportedProgram) -> tuple[int, int]:
    """The smallest and the largest batch that the program takes."""
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
    least, most = (int(min(bound, UNBOUNDED)) for bound in (bounds.lower, bounds.upper))
    return least, most
