"""Task: what an attack works on, and the only way in which it asks the model, so that every call is counted."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from robust.attacks.criteria.classification import CLASS
from robust.attacks.criteria.criterion import Criterion
from robust.attacks.fast_copy import FastCopy
from robust.attacks.losses import Loss
from robust.attacks.rng import Rng
from robust.attacks.threats.lp import LpThreat

Model = Callable[[Tensor], Tensor]

WORDS = ("out of memory", "can't allocate memory", "not enough memory")  # CUDA's and MPS's, Linux', Windows'


class NoGradientError(ValueError):
    """An attack asks for a gradient, and the model has none."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Samples sent through the model, forward and backward, for each sample of the whole batch."""

    forwards: Tensor  # (N,) int64
    backwards: Tensor  # (N,) int64


@dataclass(frozen=True, slots=True)
class Task:
    """What an attack works on: the model, the inputs that still stand, their labels, and what is allowed."""

    model: Model
    x: Tensor  # (n, *features), the clean inputs
    y: Tensor  # (n,) int64
    threat: LpThreat
    rng: Rng
    cost: Cost  # of all N samples that the task began with
    place: Tensor  # (n,) int64: where the n samples stand among these N
    target: Tensor | None = None  # (n,) int64: the class that each should be taken for; None: any wrong one
    origin: Tensor | None = None  # (n, *features): where to start from; None: where the attack likes
    draws: int = 1  # of a model that draws: how many answers are averaged over
    exact: Model | None = None  # where `model` is a cheaper copy: the one that decides
    criterion: Criterion = CLASS  # what a right answer is

    @classmethod
    def of(cls, model: Model, x: Tensor, y: Tensor, threat: LpThreat, rng: Rng, criterion: Criterion = CLASS) -> "Task":
        place = torch.arange(len(x), device=x.device)
        cost = Cost(torch.zeros_like(place), torch.zeros_like(place))
        exact = model.exact if isinstance(model, FastCopy) else None
        return cls(model, x, y, threat, rng, cost, place, exact=exact, criterion=criterion)

    def start(self, share: float = 1.0) -> Tensor:
        """Where to start, (n, *features): `origin`, or a random point of the threat model shrunk to `share` of it."""
        if self.origin is not None:
            return self.origin
        return self.x.lerp(self.threat.sample(self.x, self.rng), share) if share else self.x

    def logits(self, x: Tensor) -> Tensor:
        """The model's answer at x, (n, classes), detached."""
        self._count(self.cost.forwards, self.draws)
        with torch.no_grad():  # a copy, for models that work in place
            answer = self.model(x.clone())
            for _ in range(self.draws - 1):
                answer = answer + self.model(x.clone())
        return answer / self.draws if self.draws > 1 else answer

    def ascent(self, x: Tensor, loss: str | Loss) -> tuple[Tensor, Tensor, Tensor]:
        """(logits (n, classes), loss (n,), d loss / d x (n, *features)) at x, all detached.

        The loss is one of losses.py by name, in its targeted form where there is a target, or (logits, y) -> (n,).
        """
        logits, value, grad = self._mean(lambda: self._ascent(x, loss))
        # A gradient that is not a number must not carry the iterate away: that coordinate stays where it is.
        return logits, value, grad.nan_to_num(0.0)

    def _mean(self, ask: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """Of what is asked, over the draws."""
        found = ask()
        for _ in range(self.draws - 1):
            found = tuple(total + one for total, one in zip(found, ask(), strict=True))
        return found if self.draws == 1 else tuple(total / self.draws for total in found)

    def _ascent(self, x: Tensor, loss: str | Loss) -> tuple[Tensor, ...]:
        self._count(self.cost.forwards, 1)
        self._count(self.cost.backwards, 1)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            logits = self.model(x.clone())
            value = self.loss(logits, loss)
            grad = gradient(value.sum(), x)
        return logits.detach(), value.detach(), grad

    def loss(self, logits: Tensor, loss: str | Loss) -> Tensor:
        """Return the loss of these answers, (n,), in its targeted form if the task has a target.

        Raise ValueError if there is a target and the loss is the user's own, which has no such form.
        """
        if isinstance(loss, str):
            return self.criterion.loss(loss, logits, self.y, self.target)
        if self.target is not None:
            raise ValueError("a loss of your own has no targeted form; use ce, margin, dlr or sice with targets")
        return loss(logits, self.y)

    def gradients(self, x: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """(logits (n, C), d z_c / d x (n, k, *features)) at x for each of the `classes`, (n, k), all detached."""
        logits, grads = self._mean(lambda: self._gradients(x, classes))
        return logits, grads.nan_to_num(0.0)

    def _gradients(self, x: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        self._count(self.cost.forwards, 1)
        self._count(self.cost.backwards, classes.shape[1])
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            logits = self.model(x.clone())
            columns = logits.gather(1, classes).sum(0)
            grads = [gradient(column, x, keep=True) for column in columns]
        return logits.detach(), torch.stack(grads, 1)

    def _count(self, counter: Tensor, times: int) -> None:
        if len(self.place) == len(counter):  # all of them, in some order: ten times as fast as by their places
            counter += times
        else:
            counter[self.place] += times

    def only(self, keep: Tensor) -> "Task":
        """The task of the samples in the mask `keep`, (n,) bool; their cost is still counted in the whole."""
        if bool(keep.all()):
            return self  # a copy would stay in memory beside the batch for as long as the attack runs
        return replace(
            self,
            x=self.x[keep],
            y=self.y[keep],
            place=self.place[keep],
            rng=self.rng.only(keep),
            target=None if self.target is None else self.target[keep],
            origin=None if self.origin is None else self.origin[keep],
        )

    def fold(self, k: int) -> "Task":
        """The same task with random stream number `k`."""
        return replace(self, rng=self.rng.fold(k))


def gradient(value: Tensor, x: Tensor, *, keep: bool = False) -> Tensor:
    """d value / d x, of the shape of x; NoGradientError where none leads there. `keep` the graph to go back again."""
    barred = "no gradient leads from the model's answers to its inputs; take square or noise"
    if not value.requires_grad:
        raise NoGradientError(barred)
    try:
        (grad,) = torch.autograd.grad(value, x, retain_graph=keep, allow_unused=True)
    except RuntimeError as error:  # an operation without a derivative, or a tensor that was written over
        if ran_out(error):
            raise
        raise NoGradientError(f"{barred}: {str(error).split(': ')[0]}") from error
    if grad is None:
        raise NoGradientError(barred)
    return grad


class Counted(nn.Module):
    """`inner`, in evaluation mode, and how many samples went forward and backward through it."""

    def __init__(self, inner: Model) -> None:
        super().__init__()
        self.inner = inner
        self.forwards = self.backwards = 0
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        self.forwards += len(x)
        logits: Tensor = self.inner(x)
        if logits.requires_grad:
            logits.register_hook(self._count_backward)  # type: ignore[no-untyped-call]
        return logits

    def _count_backward(self, grad: Tensor) -> None:
        self.backwards += len(grad)


def ran_out(error: BaseException) -> bool:
    """Whether memory ran out, the GPU's or the machine's."""
    told = isinstance(error, RuntimeError) and any(word in str(error) for word in WORDS)
    return told or isinstance(error, torch.OutOfMemoryError | MemoryError)
