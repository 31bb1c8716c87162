"""Models that answer at random: how the deployed answer is formed, and the test of whether it is wrong (2411.16598)."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, one_hot

from robust.attacks.criteria.criterion import Criterion, LabelKind
from robust.attacks.draws import MAJORITY, ONE, SIZES, Draws, least_count

FORMED = 20  # answers that are formed of such draws, to see how often they are wrong


class Drawn(nn.Module):
    """A model whose answers are random, with how the deployed answer is formed of them: "1", "majority:5", "mean:10".

    Each call forms one answer, of fresh draws. Attacks that are given it follow the mean gradient of several draws, and
    an input is adversarial if a test shows the answer to be wrong with a probability above one half, or does not
    decide. ValueError for a majority of other answers than those to `class`.
    """

    def __init__(self, inner: Callable[[Tensor], Tensor], draws: str | Draws = ONE, labels: LabelKind = "class"):
        super().__init__()
        self.inner = inner
        self.draws = Draws.parse(draws) if isinstance(draws, str) else draws
        self.robust_draws = str(self.draws)  # the mark by which verification, which shares no code with this, knows it
        self.labels = labels
        self.draws.check(labels)
        self.train(getattr(inner, "training", False))

    def extra_repr(self) -> str:
        return f"draws={self.draws}"

    def forward(self, x: Tensor) -> Tensor:
        """Return one formed answer to each input, (n, ...); of a majority the logarithms of the votes."""
        return self.form(torch.stack([self.inner(x.clone()) for _ in range(self.draws.n)]))

    def form(self, answers: Tensor) -> Tensor:
        """Form one answer, (n, ...), of the answers of several draws, (draws, n, ...)."""
        if self.draws.rule == ONE:
            return answers[0]
        return count_votes(answers) if self.draws.rule == MAJORITY else mean_answer(answers, self.labels)


def count_votes(answers: Tensor) -> Tensor:
    """Return the logarithms of the votes for each class, (n, C), with the gradient of the mean probabilities.

    The first of equal ones wins, as in an argmax. An answer that is not finite makes all votes NaN.
    """
    votes = one_hot(answers.argmax(2), answers.shape[2]).sum(0).to(answers.dtype)
    share = answers.softmax(2).sum(0)
    votes = votes + (share - share.detach())
    return (votes + 0.5).log().masked_fill(~answers.isfinite().all(2).all(0)[:, None], torch.nan)


def mean_answer(answers: Tensor, labels: LabelKind) -> Tensor:
    """Return logits whose softmax is the mean of those of several answers, (draws, n, ...); the mean of values.

    A mean of the logits would let one overconfident answer outvote all others. For several labels it is so of each
    label's probability. The logits are at the level of the answers' own, so that the mean of one is itself.
    """
    if labels == "values":
        return answers.mean(0)
    if labels == "bits":
        return logsigmoid(answers).logsumexp(0) - logsigmoid(-answers).logsumexp(0)
    level = answers.logsumexp(2, keepdim=True)
    return (answers - level).logsumexp(0) + level.mean(0) - math.log(len(answers))


class Tested(NamedTuple):
    """The verdicts on the formed answers to n inputs; one that is neither wrong nor right is undecided."""

    wrong: Tensor  # (n,) bool: shown to be wrong with a probability above one half
    right: Tensor  # (n,) bool: shown to be wrong with one below
    faulty: Tensor  # (n,) bool: some answer was not finite; such a sample is neither
    asked: Tensor  # (n,) int64: formed answers

    @property
    def undecided(self) -> Tensor:
        return ~(self.wrong | self.right | self.faulty)


def decide_answers(model: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, criterion: Criterion) -> Tested:
    """Test whether the answers of `model` to x, (n, *features), are wrong with a probability above one half.

    Each size of the test asks those inputs again that no smaller size decides.
    """
    none = torch.zeros(len(x), dtype=torch.bool, device=x.device)
    tested, wrong = Tested(none, none.clone(), none.clone(), none.long()), none.long()
    left, asked = none.nonzero()[:, 0].new_tensor(range(len(x))), 0
    for size in SIZES:
        for _ in range(size - asked):
            if not len(left):
                return tested
            with torch.no_grad():
                answer = model(x[left].clone())
            finite = criterion.finite(answer)
            tested.faulty[left[~finite]] = True
            wrong[left] += ~criterion.accepts(answer, y[left])
            tested.asked[left] += 1
            left = left[finite]
        asked = size
        tested.wrong[left] = wrong[left] >= least_count(size)
        tested.right[left] = size - wrong[left] >= least_count(size)
        left = left[~(tested.wrong | tested.right)[left]]
    return tested


def share_wrong(model: Drawn, answers: Tensor, y: Tensor, criterion: Criterion) -> Tensor:
    """Return how often answers that are formed of these draws, (draws, n, ...), are wrong, (n,) from 0 to 1.

    Answers of several draws are formed of draws with replacement.
    """
    if model.draws.rule == ONE:
        formed = answers
    else:
        places = torch.randint(len(answers), (FORMED, model.draws.n))
        formed = torch.stack([model.form(answers[place.to(answers.device)]) for place in places])
    return torch.stack([~criterion.accepts(answer, y) for answer in formed]).float().mean(0)
