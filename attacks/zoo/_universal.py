"""A patch that serves many inputs at once: how it is learnt, and how it is shown to others.

Shapes: `x` is (N, *channels, rows, columns); a content is (1, channels, height, width), a place (1,) int64.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from robust.attacks.engine import eval_mode
from robust.attacks.grammar.universal import UNIVERSAL
from robust.attacks.task import NoGradientError, Task
from robust.attacks.threats.patch import PatchThreat, of_patch
from robust.attacks.threats.windows import mark_window, over_channels, put_content
from robust.attacks.zoo._images import frame_of
from robust.attacks.zoo._patches import SQUARES, draw_content
from robust.attacks.zoo.lavan import spread_places
from robust.attacks.zoo.patch_rs import PERIOD, change

FIRST = 0.3  # length of the first step of an ascent, as a share of the width of the bounds
SEARCHES = 10_000  # number of the first stream of random numbers of a search; those of tries are below


class Sticker(NamedTuple):
    """A patch, where it lies, and how it did on the samples that it was learnt on."""

    content: Tensor
    place: Tensor
    fooled: int
    learnt_on: int  # samples, all answered right without it
    forwards: int  # that it took
    backwards: int

    def describe(self, columns: int) -> str:
        """Return where it lies in images of so many columns, and how it did."""
        across = columns - self.content.shape[-1] + 1
        row, column = divmod(int(self.place), across)
        share = 100 * self.fooled / self.learnt_on
        return f"at row {row}, column {column}; it fools {share:.1f} % of the {self.learnt_on} samples it was learnt on"


class ShownState(NamedTuple):
    """The state: the inputs with the patch."""

    x: Tensor
    logits: None


@dataclass(frozen=True, slots=True)
class Shown:
    """Put patches that were learnt on other samples on those of a task; there is nothing to search."""

    stickers: dict[str, Sticker]  # by the threat model
    steps: ClassVar[int] = 0
    families: ClassVar[tuple[str, ...]] = (UNIVERSAL,)

    def init(self, task: Task) -> ShownState:
        sticker = self.stickers[str(task.threat)]
        many = sticker.content.to(task.x).expand(len(task.x), -1, -1, -1)
        return ShownState(put_content(task.x, many, sticker.place.to(task.x.device).expand(len(task.x))), None)

    def step(self, task: Task, state: ShownState, k: int) -> ShownState:
        del task, k
        return state


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a patch is learnt."""

    tries: int  # contents and places that are tried
    places: int  # of them that the gradient improves
    climb: int  # steps each
    search: int  # changes of the best, by random search


@dataclass(frozen=True, slots=True)
class Lesson:
    """The samples of a task that a patch is learnt on, in batches."""

    task: Task
    clean: Tensor  # (N,): how far each margin is below 0
    batch: int
    sloped: bool  # whether the model has a gradient

    @classmethod
    def of(cls, task: Task, batch: int) -> "Lesson":
        """Keep the samples that are answered right; ValueError if there are none."""
        margin = torch.cat([part.criterion.margin(part.logits(part.x), part.y) for part in _split(task, batch)])
        right = margin < 0
        if not bool(right.any()):
            raise ValueError("the model answers none of the samples right that a patch for all would be learnt on")
        return cls(task.only(right), -margin[right], batch, _has_gradient(task))

    def judge(self, content: Tensor, place: Tensor) -> float:
        """Return how many samples are fooled, less the mean part of the clean margin that is left of them all.

        So it is the number of fooled samples that counts, and among equal ones how near the others are.
        """
        total, fooled = 0.0, 0
        for k, part in enumerate(_split(self.task, self.batch)):
            margin = part.criterion.margin(part.logits(self._put(part.x, content, place)), part.y)
            total += float(self._weigh(margin, k).sum())
            fooled += int((margin > 0).sum())
        return fooled + total / (len(self.clean) + 1)

    def slope(self, content: Tensor | None, place: Tensor | None) -> Tensor | None:
        """Return the gradient of that mean with respect to the pixels of each sample, summed, (1, *features).

        None if the model has no gradient.
        """
        if not self.sloped:
            return None
        total = torch.zeros_like(self.task.x[:1])
        for k, part in enumerate(_split(self.task, self.batch)):
            x = part.x if content is None or place is None else self._put(part.x, content, place)
            total += part.ascent(x, self._loss(part, k))[2].sum(0, keepdim=True)
        return total

    def _loss(self, part: Task, k: int) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda logits, y: self._weigh(part.criterion.margin(logits, y), k)

    def _weigh(self, margin: Tensor, k: int) -> Tensor:
        """Return margins over the sizes of the clean ones, from -1 to 0: what is fooled, or lost, does not count."""
        return (margin / self.clean[k * self.batch : (k + 1) * self.batch]).clamp(-1, 0)

    def _put(self, x: Tensor, content: Tensor, place: Tensor) -> Tensor:
        return put_content(x, content.expand(len(x), -1, -1, -1), place.expand(len(x)))


def _has_gradient(task: Task) -> bool:
    """Whether the model has a gradient at the first sample; the passes of this are not counted."""
    first = Task.of(task.model, task.x[:1], task.y[:1], of_patch(task.threat), task.rng, task.criterion)
    try:
        first.ascent(first.x, "margin")
    except NoGradientError:
        return False
    return True


def _split(task: Task, batch: int) -> list[Task]:
    """Return the task in batches, in order."""
    at = torch.arange(len(task.x), device=task.x.device)
    return [task.only((at >= start) & (at < start + batch)) for start in range(0, len(at), batch)]


def learn(task: Task, effort: Effort, batch: int) -> Sticker:
    """Learn one patch on the samples of a task: tries, ascents from the best of them, then random search."""
    with eval_mode(task.model, task.rng.seed), torch.no_grad():
        lesson = Lesson.of(task, batch)
        starts = _try(lesson, effort.tries)[: effort.places]
        each = -(-effort.search // len(starts))
        ends = [_search(lesson, *_ascend(lesson, start, effort.climb), each, j) for j, start in enumerate(starts)]
        _, content, place = max(ends, key=lambda end: end[0])
        fooled = math.ceil(lesson.judge(content, place))
    cost = int(task.cost.forwards.sum()), int(task.cost.backwards.sum())
    return Sticker(content, place, fooled, len(lesson.clean), *cost)


Found = tuple[float, Tensor, Tensor]  # (its judgement, the content, the place)


def _try(lesson: Lesson, tries: int) -> list[Found]:
    """Try windows where the mean gradient promises most, and others at random; return the best first."""
    task, threat = lesson.task, of_patch(lesson.task.threat)
    one, size = task.x[:1], threat.fit(task.x)
    grad, like = lesson.slope(None, None), one.new_empty(1, frame_of(one).channels, *size)
    if grad is not None:
        corner = torch.where(grad > 0, threat.hi, threat.lo).to(one)
        gain = over_channels(grad * (corner - task.x.mean(0, keepdim=True)))
        promising = spread_places(threat, one, gain, -(-tries // 3))
    found: list[Found] = []
    for k in range(tries):
        rng = replace(task.rng, key=task.rng.key[:1]).fold(k)
        if k % 3 == 2 and grad is not None:
            place = promising[:, k // 3]
            content = cut(corner, place, like)
        else:
            content, place = draw_content(rng, like, threat, k % 3), threat.draw_places(one, rng.fold(SQUARES))
        found.append((lesson.judge(content, place), content, place))
    return sorted(found, key=lambda end: -end[0])


def cut(x: Tensor, place: Tensor, like: Tensor) -> Tensor:
    """Return the window of one image at a place, (1, channels, height, width) as `like`."""
    size = (like.shape[-2], like.shape[-1])
    mask = mark_window(x, place, size).expand_as(x)
    return x[mask].reshape(like.shape)


def _ascend(lesson: Lesson, start: Found, climb: int) -> Found:
    """Ascend by the signs of the gradient, in steps that shrink; return the best that was met."""
    threat, best = of_patch(lesson.task.threat), start
    _, now, place = start
    for k in range(climb):
        if (slope := lesson.slope(now, place)) is None:
            break
        grad = cut(slope, place, now)
        now = threat.clip(now + FIRST * (threat.hi - threat.lo) * (1 - k / climb) * grad.sign())
        value = lesson.judge(now, place)
        if value > best[0]:
            best = (value, now, place)
    return best


def _search(lesson: Lesson, value: float, content: Tensor, place: Tensor, steps: int, stream: int) -> Found:
    """Change squares of the patch, or move it, and keep what raises the value; `stream` is of the random numbers."""
    task = lesson.task
    one = replace(task, x=task.x[:1], rng=replace(task.rng, key=task.rng.key[:1]))
    for k in range(steps):
        rng = one.rng.fold(SEARCHES + stream).fold(k)
        trial, there = change(content, place, one, rng, k / steps, moves=k % PERIOD == 0)
        if (found := lesson.judge(trial, there)) > value:
            value, content, place = found, trial, there
    return value, content, place


def learn_all(task_of: Callable[[PatchThreat], Task], threats: list[PatchThreat], effort: Effort, batch: int) -> Shown:
    """Learn a patch for each of the threat models, by the task that `task_of` makes."""
    return Shown({str(threat): learn(task_of(threat), effort, batch) for threat in threats})
