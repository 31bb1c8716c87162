"""keeps-state: the answers depend on what the model was asked before: a counter, a moving average, a hidden state.

It is measured as it was loaded; deployed, it answers otherwise after every batch.
"""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robust.attacks.state import State, name_few
from robust.records.trust import Finding, TimeUpError
from robust.trust.checks import PREFLIGHT, any_criterion, costs
from robust.trust.forked import SECONDS, can_fork, run_forked
from robust.trust.model_probe import MAX_NOISE, REPEATS, Inputs, ModelProbe, measure_change
from robust.user_code import describe_user_error

NEARBY = (0.02, 0.005)  # of the inputs' range: a store may take inputs for the same from a small distance on
BESIDE = 4  # of the small batch there is a new input for every so many samples
CROWD = 12  # inputs beside each of them: a model may answer the first few as if it kept nothing
APART = 1 + CROWD + 2 * len(NEARBY)  # passes for each of them, apart from this process


class _Change(NamedTuple):
    """The effect of other inputs on the answers."""

    size: float  # as a share of the logits' range
    names: list[str]  # of what was written on the model
    seen: str


@PREFLIGHT.register("keeps-state")
@any_criterion
@costs(lambda probe: probe.count_passes("noise") + 2 * probe.n_small + APART * _count_beside(probe))
def keeps_state(probe: ModelProbe) -> Finding | None:
    """Check that the same inputs get the same logits after others, though nothing is put back in between."""
    if not probe.deterministic:  # random logits differ anyway
        return None
    x = probe.first
    change = _ask_after(probe, [x[::-1].copy()])
    if change.names and change.size <= MAX_NOISE:  # something is written: it is given time to matter
        change = _ask_after(probe, [*_draw_noise(probe, x), probe.x])
    if change.size <= MAX_NOISE:
        change = _ask_beside(probe)
    if change.size <= MAX_NOISE:
        return None
    where = f"; its forward writes {name_few(change.names)}" if change.names else ""
    hint = "let forward read nothing that it writes; the figures are those of the model as it was loaded"
    return Finding("keeps-state", "suspect", change.size, f"{change.seen}{where}", hint)


def _ask_after(probe: ModelProbe, others: list[Inputs]) -> _Change:
    """Return how the logits of the first samples change after the model has answered others."""
    x = probe.first
    before, state = probe.small, State(probe.module, parameters=True)
    try:
        for other in others:
            probe.ask(other, restored=False)
        size = measure_change(before, probe.ask(x, restored=False))
        seen = f"logits of the same inputs differ by up to {size:.2g} times their range after other inputs"
        seen += f", expected at most {MAX_NOISE:g}"
    except TimeUpError:
        raise
    except Exception as error:  # a state of another batch may not fit the next
        size, seen = 1.0, f"after other inputs the model does not answer: {describe_user_error(error)}"
    finally:
        counted = state.list_counted()
        written = state.restore()
    return _Change(size, [*written, *counted], seen)


def _ask_beside(probe: ModelProbe) -> _Change:
    """Return how the logits of new inputs differ with and without others beside them that were asked before.

    A model that keeps its inputs, or its answers to them, is found so. Both are asked apart from this process, where
    they would be kept; see `_ask_apart`.
    """
    x = probe.first[: _count_beside(probe)]
    middle = (x + np.roll(x, 1, axis=0)) / np.float32(2)
    if (moves := probe.dataset.moves) is not None:
        middle = np.where(moves, middle, x)
    beside = np.concatenate([probe.move(middle, step) for step in NEARBY])
    crowd = _draw_beside(probe, middle)

    def ask_used(apart: ModelProbe) -> Tensor:
        for others in (middle, *crowd):
            apart.ask(others, restored=False)
        return apart.ask(beside, restored=False)

    try:
        fresh = _ask_apart(probe, lambda apart: apart.ask(beside))
        size = measure_change(fresh, _ask_apart(probe, ask_used))
    except TimeUpError:
        raise
    except Exception:  # packed or foreign parameters have no copies, and copies of scripts do not run as they do
        return _Change(0.0, [], "")
    seen = f"logits of the same inputs differ by up to {size:.2g} times their range after others beside them"
    return _Change(size, [], f"{seen}, expected at most {MAX_NOISE:g}")


def _ask_apart(probe: ModelProbe, ask: Callable[[ModelProbe], Tensor]) -> Tensor:
    """Return the logits that `ask` gets in a fork, which has its own globals, too; of a copy where there is no fork."""
    if can_fork(probe.module):
        seconds = min(SECONDS, probe.deadline.left) if probe.deadline else SECONDS
        if (answers := run_forked(lambda: _note_passes(probe, ask), seconds)) is not None:
            probe.budget.add(answers[-1, 0])
            return torch.from_numpy(answers[:-1])
    return ask(replace(probe, module=copy.deepcopy(probe.module)))


def _note_passes(probe: ModelProbe, ask: Callable[[ModelProbe], Tensor]) -> NDArray[np.float64]:
    """Return the logits that `ask` gets, and a last row of the passes that it took, since a fork's are not counted."""
    before = probe.budget.spent
    logits = ask(probe).numpy()
    return np.concatenate((logits, np.full_like(logits[:1], probe.budget.spent - before)))


def _count_beside(probe: ModelProbe) -> int:
    return max(2, probe.n_small // BESIDE)


def _draw_beside(probe: ModelProbe, x: Inputs) -> list[Inputs]:
    """Draw batches of inputs that are at most the largest of NEARBY away from x."""
    draw, (lo, hi) = np.random.default_rng(probe.seed), probe.find_ends(x)
    reach = max(NEARBY) * (hi - lo)
    moves = (draw.uniform(-reach, reach, x.shape).astype(np.float32) for _ in range(CROWD))
    return [np.clip(x + move, lo, hi) for move in moves]


def _draw_noise(probe: ModelProbe, x: Inputs) -> list[Inputs]:
    """Return inputs like x that are uniform noise, which move a state further than the samples do."""
    several = probe.dataset.layout is not None
    draw, (lo, hi) = np.random.default_rng(0), probe.find_ends(x) if several else probe.dataset.spans
    return [draw.uniform(lo, hi, x.shape).astype(np.float32) for _ in range(REPEATS)]
