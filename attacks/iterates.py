"""The iterates of an attack that is run to its end, for drivers that keep samples beyond their first success."""

from collections.abc import Iterator
from typing import Any

from robust.attacks.engine import Attack, restrict
from robust.attacks.task import Task


def iterate(attack: Attack[Any], task: Task) -> Iterator[tuple[Task, Any]]:
    """Yield (the task of the samples that are left, the state) after `init` and after each step.

    A sample leaves once the state says that no further step can change it. The last is that of the last step, or of
    the one at which no sample is left or the task is stopped.
    """
    state = attack.init(task)
    for k in range(attack.steps + 1):
        yield task, state
        done = getattr(state, "done", None)
        if k == attack.steps or task.stop() or (done is not None and bool(done.all())):
            return
        if done is not None and bool(done.any()):
            task, state = task.only(~done), restrict(state, ~done)
        state = attack.step(task.during((k + 1) / attack.steps), state, k)
