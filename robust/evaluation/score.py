"""Scores: what people read of each sample beside right and wrong, such as an error; without an attack and under one.

Under attack it is that of the worst input found for each sample, so the attack goes on after its first success. What
it finds is verified as adversarial inputs are: measured again, and answered again in other batches.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.combine.until import Until
from robust.attacks.criteria.criterion import Criterion
from robust.attacks.criteria.registry import DEFAULT, read_criterion
from robust.attacks.draws import LOOKED_AT
from robust.attacks.engine import AnyAttack, count_copies, rounds_of
from robust.attacks.rng import Rng
from robust.attacks.text import format_seconds
from robust.attacks.threats.threat import Threat
from robust.attacks.threats.transform import WIDTH
from robust.attacks.worst_score import worsen_scores
from robust.data.dataset import Samples
from robust.data.lazy_inputs import LazyInputs
from robust.evaluation.attack_run import RunOptions, Scores, Thetas, candidates_of, sort_inputs
from robust.evaluation.measure import AttackResult
from robust.evaluation.steps import Steps, count_steps
from robust.evaluation.time_limit import TIME
from robust.evaluation.universal import learn_first
from robust.flags import Flags
from robust.models.answering import draws_of
from robust.verification.check import check_scores, verify
from robust.verification.distances import check_limits

Aimed = tuple[AnyAttack, Threat]  # an attack, and the threat model that it is run under
Table = NDArray[np.floating[Any]]  # (n, 1 + k): the score of each sample, and of maps its regions


def has_score(criterion: str) -> bool:
    """Whether a criterion has a score that says more than right or wrong."""
    return criterion != DEFAULT and bool(read_criterion(criterion).score_name)


@dataclass(frozen=True, slots=True)
class SearchCost:
    """The most that a search for the worst scores of n samples takes, at the pace of the attack before it."""

    n: int
    steps: int  # of each sample, at all its starts together
    seconds: float  # NaN if nothing was attacked before, so that no pace is known

    def describe(self, limit: float = math.inf) -> str:
        """Return one line; with the `limit` in seconds that it has, if that may be too little."""
        line = f"{self.n} samples, {self.steps} steps of each"
        if math.isnan(self.seconds):
            return line
        line += f", at most about {format_seconds(self.seconds)}"
        return f"{line}, of which the run has {format_seconds(limit)}" if limit < self.seconds else line


def foresee_search(n: int, found: AttackResult, attacks: Sequence[Aimed]) -> SearchCost:
    """Foresee the cost of `search_scores` on n samples from what an attack before it has `found`, and took.

    Where it seeks more wrong pixels than it has found, that is the least: it is run once more, and as often as it pays.
    """
    rounds = [steps for aimed in attacks for steps in _list_rounds(*aimed) * count_copies(aimed[0])]
    pace = found.seconds / found.forwards if found.forwards else math.nan
    pace *= 1 if found.undecided is None else 2 * LOOKED_AT  # of random answers: for a step, and for where it leads
    return SearchCost(n, sum(rounds), n * sum(steps + 1 for steps in rounds) * pace)


def _list_rounds(attack: AnyAttack, threat: Threat) -> list[int]:
    """List the steps of each round of an attack, under each part of the threat model."""
    return [part.steps for part, _ in rounds_of(attack)] * len(threat.parts)


@dataclass(frozen=True, slots=True)
class Search:
    """The outcome of a search for the worst scores of n samples."""

    scores: Table  # (n, 1 + k)
    adversarial: Flags  # (n,): whether an input that it found is verified to be adversarial
    x_adv: NDArray[np.float32]  # (adversarial, *shape), in the samples' order; only the first rank's
    theta: Thetas  # (n, 4)
    stopped: bool = False  # by the time, on any rank
    cost: tuple[int, int, float] = (0, 0, 0.0)  # forwards and backwards of all ranks, and the seconds of this one


def measure_clean_scores(module: nn.Module, samples: Samples, options: RunOptions) -> Table:
    """Return the score of the answer to each sample, (n, 1 + k); of maps k numbers are its regions."""
    share, ranks = options.ranks.deal(samples), options.ranks
    return ranks.whole(ranks.agree(lambda: _ask(module, share, share.x, options).astype(np.float32)))


def search_scores(
    module: nn.Module,
    samples: Samples,
    found: AttackResult,
    correct: Flags,
    attacks: Sequence[Aimed],
    options: RunOptions,
) -> Search:
    """Search for the worst score of each sample by the attacks, each run to its end on all samples.

    What an attack `found` before counts, too; so does what this search finds and that one had missed among the samples
    that are `correct`, (n,). At the deadline of the options it ends with what was found. A patch for all is that which
    the attack before has shown. Of random answers the worst input is chosen by other answers than those that its score
    is of: the worst of many means would be so by luck.
    """
    shown = found.shown
    learnt = [learn_first(attack, module, samples, threat, options, shown) for attack, threat in attacks]
    attacks = [(each.attack, threat) for each, (_, threat) in zip(learnt, attacks, strict=True)]
    ranks, criterion = options.ranks, read_criterion(samples.criterion)
    share, rows = ranks.deal(samples), np.arange(len(samples))[ranks.share]
    sizes = [options.batcher.fit(count_copies(attack)) for attack, _ in attacks]
    batches = (count_steps(_list_rounds(*aimed), len(share), size) for aimed, size in zip(attacks, sizes, strict=True))
    steps = Steps(sum(batches), options.deadline, options.watch)
    worse = partial(_pick_worse, criterion)

    def search() -> Search:
        began, spent = time.monotonic() - sum(each.seconds for each in learnt), np.zeros(2, np.int64)
        scores = _weigh(module, share, share.x, options)
        adversarial, spool = np.zeros(len(share), bool), np.zeros(share.x.shape, np.float32)
        thetas = np.full((len(share), WIDTH), np.nan, np.float32)
        for attack, threat in attacks:
            x, theta, passes = _find_worst(module, share, Until(attack, steps), threat, options)
            spent += passes
            scores = worse(scores, _verify(module, share, x, theta, threat, options))
            left = np.flatnonzero((correct & ~found.adversarial)[rows] & ~adversarial)
            candidates = candidates_of(share.take(left), x[left], threat, options.batcher.size, theta[left])
            new = left[verify(module, candidates).fault == 0]
            adversarial[new], spool[new], thetas[new] = True, x[new], theta[new]
        stopped = options.deadline is not None and options.deadline.stopped
        cost = (int(spent[0]), int(spent[1]), time.monotonic() - began)
        return Search(scores.astype(np.float32), adversarial, spool[adversarial], thetas, stopped, cost)

    part = ranks.agree(search)
    scores, adversarial = ranks.whole(part.scores), ranks.whole(part.adversarial)
    counts = ranks.all(len(part.x_adv))
    own = ranks.once(lambda: _score_found(module, samples, found, options))
    scores[found.adversarial] = worse(scores[found.adversarial], own)
    scores = scores[:, 1:]
    places = np.concatenate(ranks.all(rows[part.adversarial]))
    x_adv = sort_inputs(ranks.inputs(part.x_adv, counts), places)
    forwards = sum(ranks.all(part.cost[0])) + sum(each.forwards for each in learnt)
    backwards = sum(ranks.all(part.cost[1])) + sum(each.backwards for each in learnt)
    theta = ranks.whole(part.theta)
    return Search(scores, adversarial, x_adv, theta, any(ranks.all(part.stopped)), (forwards, backwards, part.cost[2]))


def _pick_worse(criterion: Criterion, before: Table, after: Table) -> Table:
    """Return the rows, (n, 1 + 1 + k), of the worse score of two; one that is not finite does not count."""
    if not len(before):  # nobody knows how many columns a table without rows has
        return before
    rises = after[:, 0] > before[:, 0]
    worse = rises if criterion.rises else after[:, 0] < before[:, 0]
    return np.where((worse | np.isnan(before[:, 0]))[:, None], after, before)


def split_table(scores: Table) -> tuple[Scores, Scores | None]:
    """Return (the score of each sample, (n,), its regions, (n, k), or None without any)."""
    table = scores.astype(np.float32)
    return table[:, 0], table[:, 1:] if table.shape[1] > 1 else None


def add_search(found: AttackResult, search: Search) -> AttackResult:
    """Return the result of an attack with the scores of a search, its cost, and the inputs that it added."""
    rows = np.concatenate([np.flatnonzero(found.adversarial), np.flatnonzero(search.adversarial)])
    score, regions = split_table(search.scores)
    forwards, backwards, seconds = search.cost
    x_adv = np.concatenate([found.x_adv, search.x_adv]) if len(search.x_adv) else found.x_adv
    return replace(
        found,
        adversarial=found.adversarial | search.adversarial,
        x_adv=sort_inputs(x_adv, rows) if len(search.x_adv) else x_adv,
        fault=np.where(search.adversarial, 0, found.fault).astype(np.int8),
        score=score,
        regions=regions,
        theta=found.theta if found.theta is None else np.where(search.adversarial[:, None], search.theta, found.theta),
        score_partial=TIME * search.stopped,
        forwards=found.forwards + forwards,
        backwards=found.backwards + backwards,
        queries=None,  # the search does not stop at a first success
        asked=0,
        seconds=found.seconds + seconds,
    )


def _score_found(module: nn.Module, samples: Samples, found: AttackResult, options: RunOptions) -> Table:
    """Return the scores of the adversarial inputs of an attack, as `_weigh` does, in the samples' order."""
    some = samples.take(np.flatnonzero(found.adversarial))
    return _weigh(module, some, found.x_adv, options).astype(np.float32)


def _weigh(module: nn.Module, samples: Samples, x: NDArray[np.float32] | LazyInputs, options: RunOptions) -> Table:
    """Return (n, 1 + 1 + k): the score by which the worst input is chosen, then the scores as they are reported."""
    scores = _ask(module, samples, x, options)
    chosen_by = _ask(module, samples, x, options, seed=1) if draws_of(module) else scores
    return np.column_stack([chosen_by[:, 0], scores])


def _ask(
    module: nn.Module, samples: Samples, x: NDArray[np.float32] | LazyInputs, options: RunOptions, seed: int = 0
) -> Table:
    return check_scores(module, x, samples.y, options.batcher.size, samples.criterion, seed)


def _find_worst(
    module: nn.Module, samples: Samples, attack: AnyAttack, threat: Threat, options: RunOptions
) -> tuple[NDArray[np.float32], Thetas, NDArray[np.int64]]:
    """Return the input of each sample's worst score, (n, *shape), that an attack finds, its theta, and the passes."""
    criterion, spent = read_criterion(samples.criterion), np.zeros(2, np.int64)

    def run_batch(x: Tensor, y: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        rng = Rng.of(options.seed, index)
        found = worsen_scores(module, attack, x, y, threat, criterion=criterion, seed=rng)
        spent[:] += int(found.cost.forwards.sum()), int(found.cost.backwards.sum())
        return found.x_adv.cpu(), found.theta.cpu()

    batches = options.batcher.each(run_batch, samples, count_copies(attack))
    if not batches:  # a rank may have no share
        return samples.x[:], np.zeros((0, WIDTH), np.float32), spent
    x_adv, theta = (torch.cat(parts).numpy() for parts in zip(*batches, strict=True))
    return x_adv, theta, spent


def _verify(
    module: nn.Module, samples: Samples, x: NDArray[np.float32], theta: Thetas, threat: Threat, options: RunOptions
) -> Table:
    """Return the verified scores of inputs, as `_weigh` does: NaN where an answer is not finite, or x not admitted."""
    candidates = candidates_of(samples, x, threat, options.batcher.size, theta)
    small, inside = check_limits(candidates)
    scores = _weigh(module, samples, x, options)
    scores[~(small & inside)] = np.nan
    return scores
