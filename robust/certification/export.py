"""Networks as torch.export writes them: one input, one tensor of logits, and no state."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import torch
from torch import Tensor, nn

from robust.attacks.engine import eval_mode
from robust.certification.errors import NoBoundsError
from robust.certification.simpler import all_simpler


class Plain(nn.Module):
    """A module whose `forward` is an object, as one that reads answers is: torch.export wants a function."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.robust_plain = module

    def forward(self, x: Tensor) -> Any:
        return self.robust_plain(x)


def export_program(module: nn.Module, x: Tensor) -> Any:
    try:
        with eval_mode(module), _quiet():
            program = torch.export.export(module, (x,), strict=False)
            program = program.run_decompositions(all_simpler())  # so that nothing works in place
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else ""
        kind = type(error).__name__
        if "DataDependent" in kind or "data-dependent" in str(error) or "ynamic control flow" in str(error):
            raise NoBoundsError(f"its control flow depends on the data ({kind})") from error
        raise NoBoundsError(f"torch.export cannot read it ({kind}: {first[:160]})") from error
    _check_ends(program)
    return program


def _check_ends(program: Any) -> None:
    """Raise NoBoundsError for a program that does not take one tensor, answer with one and change nothing else."""
    signature = program.graph_signature
    if changed := [*signature.buffers_to_mutate.values()]:
        raise NoBoundsError(f"it keeps state: a forward changes its buffer {changed[0]!r}")
    if signature.user_inputs_to_mutate:
        raise NoBoundsError("a forward changes its input in place")
    if len(signature.user_inputs) != 1:
        raise NoBoundsError(f"it takes {len(signature.user_inputs)} inputs")
    if not program.call_spec.out_spec.is_leaf():
        kind = program.call_spec.out_spec.type
        raise NoBoundsError(f"it answers with a {getattr(kind, '__name__', kind)}, expected one tensor of logits")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what torch warns of, logs and prints on its way: of its own code, or told in one line by the error."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    trace = logging.getLogger("torch.__trace")  # it writes whether it is asked to or not
    silent, trace.disabled = trace.disabled, True
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        trace.disabled = silent
