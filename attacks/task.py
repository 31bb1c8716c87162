"""Task: the model, samples and limits of an attack, which queries the model by it alone, so that calls are counted."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from robust.attacks.criteria.classification import CLASS
from robust.attacks.criteria.criterion import Criterion
from robust.attacks.drawn import Drawn, Tested, decide_answers
from robust.attacks.draws import LOOKED_AT
from robust.attacks.families import shares_ball
from robust.attacks.fast_copy import FastCopy
from robust.attacks.losses import Loss
from robust.attacks.rng import Rng
from robust.attacks.threats.balls import Balls
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.threat import Part
from robust.attacks.threats.transform import WIDTH, Lifted

Model = Callable[[Tensor], Tensor]

HOPE = 0.25  # of the answers to an iterate: if fewer are wrong, no test will show that most are
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")  # CUDA and MPS, Linux, Windows


class NoGradientError(ValueError):
    """The error if an attack needs a gradient and the model has none."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The number of forward and backward passes of each sample of the whole batch."""

    forwards: Tensor  # (N,) int64
    backwards: Tensor  # (N,) int64


@dataclass(frozen=True, slots=True)
class Hopes:
    """The most hopeful iterate of each sample of the whole batch so far, of a model that answers at random."""

    share: Tensor  # (N,): how often the answers to it were wrong, of a few
    x: Tensor  # (N, *features), as the model sees it
    theta: Tensor  # (N, 4): what made it; NaN where nothing did


@dataclass(frozen=True, slots=True)
class Task:
    """The subject of an attack: the model, n samples that are still robust, and the threat model."""

    model: Model
    x: Tensor  # (n, *features), the clean inputs
    y: Tensor  # (n,) int64
    threat: LpThreat  # or of another family, for attacks whose families say so: see families.py
    rng: Rng
    cost: Cost  # of all N samples that the task began with
    place: Tensor  # (n,) int64: the positions of the n samples among these N
    target: Tensor | None = None  # (n,) int64: the class to reach; None: any wrong one
    origin: Tensor | None = None  # (n, *features): where to start; None: the attack chooses
    draws: int = 1  # how many answers of a random model are averaged
    exact: Model | None = None  # the model that decides, if `model` is a cheaper copy
    criterion: Criterion = CLASS  # what a right answer is
    stop: Callable[[], bool] = lambda: False  # whether to end early; asked before the first step and after each
    drawn: Drawn | None = None  # the model, if its answers are random: `model` then gives single draws
    hopes: Hopes | None = None  # of such a model

    @classmethod
    def of(cls, model: Model, x: Tensor, y: Tensor, threat: Part, rng: Rng, criterion: Criterion = CLASS) -> "Task":
        """Make the task of a whole batch: x (N, *features), y (N,) int64, or whatever labels the criterion takes."""
        place = torch.arange(len(x), device=x.device)
        cost = Cost(torch.zeros_like(place), torch.zeros_like(place))
        task = cls(model, x, y, cast(LpThreat, threat), rng, cost, place, criterion=criterion).under(threat)
        if isinstance(model, Drawn):
            share, theta = torch.full((len(x),), HOPE), torch.full((len(x), WIDTH), torch.nan)
            hopes = Hopes(share.to(x.device), x.clone(), theta.to(x.device))
            return replace(task, model=model.inner, draws=LOOKED_AT, drawn=model, hopes=hopes)
        return replace(task, exact=model.exact) if isinstance(model, FastCopy) else task

    def start(self, share: float = 1.0) -> Tensor:
        """Return the start, (n, *features): `origin`, or a random point of the ball shrunk to `share`, from 0 to 1."""
        if self.origin is not None:
            return self.origin
        return self.x.lerp(self.threat.sample(self.x, self.rng), share) if share else self.x

    def answer(self, x: Tensor) -> Tensor:
        """Return the model's answer to iterates, (n, ...), uncounted; of a lifted task it sees them transformed."""
        return self.model(self.show(x))

    def show(self, x: Tensor) -> Tensor:
        """Return what the model sees of iterates, (n, *features): a copy, for models that work in place."""
        threat: object = self.threat
        return threat.show(x) if isinstance(threat, Lifted) else x.clone()

    def logits(self, x: Tensor) -> Tensor:
        """Query the model at x, (n, *features); return its answer, (n, classes), detached."""
        self._count(self.cost.forwards, self.draws)
        with torch.no_grad():  # a copy, for models that work in place
            answer = self.answer(x)
            for _ in range(self.draws - 1):
                answer = answer + self.answer(x)
        return answer / self.draws if self.draws > 1 else answer

    def draw(self, x: Tensor, times: int) -> Tensor:
        """Query a random model at x, (n, *features), so many times; return its answers, (times, n, ...), detached."""
        assert self.drawn is not None
        self._count(self.cost.forwards, times)
        with torch.no_grad():
            return torch.stack([self.answer(x) for _ in range(times)])

    def decide(self, x: Tensor) -> Tested:
        """Test whether the formed answers of a random model to x, (n, *features), are wrong more often than right."""
        assert self.drawn is not None
        tested = decide_answers(self.drawn, self.show(x), self.y, self.criterion)
        self.cost.forwards.index_add_(0, self.place, tested.asked * self.drawn.draws.n)
        return tested

    def ascent(self, x: Tensor, loss: str | Loss) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (n, classes), loss (n,) and d loss / d x (n, *features) at x, (n, *features), all detached.

        The loss is one of the criterion's by name, in its targeted form if there is a target, or a function
        (logits, y) -> (n,). Raise NoGradientError if no gradient reaches x.
        """
        logits, value, grad = self._mean(lambda: self._ascent(x, loss))
        # NaN in a gradient must not spoil the iterate: that coordinate is not moved.
        return logits, value, grad.nan_to_num(0.0)

    def _mean(self, query: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        """Return the means of the results of `query` over the draws."""
        totals = query()
        for _ in range(self.draws - 1):
            totals = tuple(total + result for total, result in zip(totals, query(), strict=True))
        return totals if self.draws == 1 else tuple(total / self.draws for total in totals)

    def _ascent(self, x: Tensor, loss: str | Loss) -> tuple[Tensor, ...]:
        self._count(self.cost.forwards, 1)
        self._count(self.cost.backwards, 1)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            logits = self.answer(x)
            value = self.loss(logits, loss)
            grad = gradient(value, x)
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
        """Return logits (n, C) and d (z_c - z_y) / d x (n, k, *features) at x for `classes` c, (n, k) int64, detached.

        Each class costs one backward pass: the label's logit has none of its own.
        """
        logits, grads = self._mean(lambda: self._gradients(x, classes))
        return logits, grads.nan_to_num(0.0)

    def _gradients(self, x: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        self._count(self.cost.forwards, 1)
        self._count(self.cost.backwards, classes.shape[1])
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            logits = self.answer(x)
            leads = logits.gather(1, classes) - logits.gather(1, self.y[:, None])
            grads = [gradient(lead, x, keep=True) for lead in leads.unbind(1)]
        return logits.detach(), torch.stack(grads, 1)

    def _count(self, counter: Tensor, times: int) -> None:
        if len(self.place) == len(counter):  # all, in some order: ten times as fast as by position
            counter += times
        else:
            counter.index_add_(
                0, self.place, torch.ones_like(self.place), alpha=times
            )  # a fifth of what indexing takes

    def only(self, keep: Tensor) -> "Task":
        """Return the task of the samples in the mask `keep`, (n,) bool; the cost stays that of the whole batch."""
        if bool(keep.all()):
            return self  # a copy would stay in memory beside the batch for as long as the attack runs
        return replace(
            self,
            x=self.x[keep],
            y=self.y[keep],
            threat=self.threat_of(keep),
            place=self.place[keep],
            rng=self.rng.only(keep),
            target=None if self.target is None else self.target[keep],
            origin=None if self.origin is None else self.origin[keep],
            criterion=_criterion_of(self.criterion, keep),
        )

    def threat_of(self, keep: Tensor) -> LpThreat:
        """Return the threat model of the samples in the mask `keep`, (n,) bool, or at these positions."""
        return self.threat.only(keep) if isinstance(self.threat, Balls) else self.threat

    def under(self, threat: Part) -> "Task":
        """Return the task under another threat model; a criterion that asks is told whether pixels share its ball."""
        sharing = getattr(self.criterion, "sharing", None)
        criterion = self.criterion if sharing is None else sharing(shares_ball(threat))
        return replace(self, threat=cast(LpThreat, threat), criterion=criterion)

    def during(self, done: float) -> "Task":
        """Return the task for an attack that has made this share of its steps, if the criterion asks for it."""
        during = getattr(self.criterion, "during", None)
        return self if during is None else replace(self, criterion=during(done))

    def fold(self, k: int) -> "Task":
        """Return the same task with random stream number `k`."""
        return replace(self, rng=self.rng.fold(k))


def _criterion_of(criterion: Criterion, keep: Tensor) -> Criterion:
    """Return the criterion of the samples in the mask `keep`, (n,) bool, if it differs between samples."""
    of_samples = getattr(criterion, "of_samples", None)
    return criterion if of_samples is None else of_samples(keep)


def gradient(value: Tensor, x: Tensor, *, keep: bool = False) -> Tensor:
    """Return d (sum of value) / d x, of the shape of x; `keep` retains the graph for another backward pass.

    Raise NoGradientError if no gradient reaches x.
    """
    blocked = "no gradient leads from the model's answers to its inputs; take square or noise"
    if not value.requires_grad:
        raise NoGradientError(blocked)
    try:
        (grad,) = torch.autograd.grad(value, x, torch.ones_like(value), retain_graph=keep, allow_unused=True)
    except RuntimeError as error:  # an operation without a derivative, or a tensor that was overwritten
        if ran_out(error):
            raise
        raise NoGradientError(f"{blocked}: {str(error).split(': ')[0]}") from error
    if grad is None:
        raise NoGradientError(blocked)
    return grad


class Counted(nn.Module):
    """A wrapper of `inner`, in evaluation mode, that counts forward and backward passes of samples."""

    def __init__(self, inner: Model) -> None:
        super().__init__()
        self.inner = inner
        self.forwards = self.backwards = 0
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of `inner`, (n, classes), and count."""
        self.forwards += len(x)
        logits: Tensor = self.inner(x)
        if logits.requires_grad:
            logits.register_hook(self._count_backward)  # type: ignore[no-untyped-call]
        return logits

    def _count_backward(self, grad: Tensor) -> None:
        self.backwards += len(grad)


def ran_out(error: BaseException) -> bool:
    """Whether the memory of the GPU or the machine ran out."""
    reported = isinstance(error, RuntimeError) and any(phrase in str(error) for phrase in OUT_OF_MEMORY)
    return reported or isinstance(error, torch.OutOfMemoryError | MemoryError)
