"""keeps-state: the answers depend on what the model was asked before: a counter, a moving average, a hidden state.

It is measured as it was loaded; deployed, it answers otherwise after every batch.
"""

import copy
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from robust.attacks.state import State, name_few
from robust.records.trust import Finding, TimeUpError
from robust.trust.checks import PREFLIGHT, costs
from robust.trust.model_probe import MAX_NOISE, REPEATS, SMALL_BATCH, Inputs, ModelProbe, measure_change
from robust.user_code import describe_user_error

NEARBY = 0.02  # of the inputs' range


class _Change(NamedTuple):
    """The effect of other inputs on the answers."""

    size: float  # as a share of the logits' range
    names: list[str]  # of what was written on the model
    seen: str


@PREFLIGHT.register("keeps-state")
@costs(lambda probe: probe.count_passes("noise") + 5 * probe.n_small)
def keeps_state(probe: ModelProbe) -> Finding | None:
    """Check that the same inputs get the same logits after others, though nothing is put back in between."""
    if not probe.deterministic:  # random logits differ anyway
        return None
    x = probe.x[:SMALL_BATCH]
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
    x = probe.x[:SMALL_BATCH]
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
    """Return how the logits of new inputs differ between copies of the model that saw, and did not see, others nearby.

    A model that keeps its inputs, or its answers to them, is found so; what it keeps outside itself is not copied.
    """
    x = probe.x[:SMALL_BATCH]
    middle = (x + x[::-1]) / np.float32(2)
    beside = probe.move(middle, NEARBY)
    try:
        fresh, used = (replace(probe, module=copy.deepcopy(probe.module)) for _ in range(2))
        used.ask(middle, restored=False)
        size = measure_change(fresh.ask(beside), used.ask(beside, restored=False))
    except TimeUpError:
        raise
    except Exception:  # packed or foreign parameters have no copies, and copies of scripts do not run as they do
        return _Change(0.0, [], "")
    seen = f"logits of the same inputs differ by up to {size:.2g} times their range after others beside them"
    return _Change(size, [], f"{seen}, expected at most {MAX_NOISE:g}")


def _draw_noise(probe: ModelProbe, x: Inputs) -> list[Inputs]:
    """Return inputs like x that are uniform noise, which move a state further than the samples do."""
    draw, data = np.random.default_rng(0), probe.dataset
    return [draw.uniform(data.lo, data.hi, x.shape).astype(np.float32) for _ in range(REPEATS)]
