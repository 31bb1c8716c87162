"""Scores: what people read of each sample beside right and wrong, such as an error; without an attack and under one.

Under attack it is that of the worst input found for each sample, so the attack goes on after its first success. What
it finds is verified as adversarial inputs are: measured again, and answered again in other batches.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.combine.until import Until
from robust.attacks.criteria.registry import DEFAULT, read_criterion
from robust.attacks.engine import AnyAttack
from robust.attacks.rng import Rng
from robust.attacks.threats.threat import Threat
from robust.attacks.worst_score import worsen_scores
from robust.data.dataset import Samples
from robust.data.lazy_inputs import LazyInputs
from robust.evaluation.attack_run import RunOptions, Scores, candidates_of, sort_inputs
from robust.evaluation.measure import AttackResult
from robust.flags import Flags
from robust.verification.check import check_scores, verify
from robust.verification.distances import check_limits


def has_score(criterion: str) -> bool:
    """Whether a criterion has a score that says more than right or wrong."""
    return criterion != DEFAULT and bool(read_criterion(criterion).score_name)


@dataclass(frozen=True, slots=True)
class Search:
    """The outcome of a search for the worst scores of n samples."""

    score: Scores  # (n,)
    adversarial: Flags  # (n,): whether an input that it found is verified to be adversarial
    x_adv: NDArray[np.float32]  # (adversarial, *shape), in the samples' order; only the first rank's


def measure_clean_scores(module: nn.Module, samples: Samples, options: RunOptions) -> Scores:
    """Return the score of the answer to each sample, (n,)."""
    share, ranks = options.ranks.deal(samples), options.ranks
    return ranks.whole(ranks.agree(lambda: _ask(module, share, share.x, options).astype(np.float32)))


def search_scores(
    module: nn.Module,
    samples: Samples,
    found: AttackResult,
    correct: Flags,
    attacks: Iterable[tuple[AnyAttack, Threat]],
    options: RunOptions,
) -> Search:
    """Search for the worst score of each sample by the attacks, each run to its end on all samples.

    What an attack `found` before counts, too; so does what this search finds and that one had missed among the samples
    that are `correct`, (n,). At the deadline of the options it ends with what was found.
    """
    ranks, criterion = options.ranks, read_criterion(samples.criterion)
    share, rows = ranks.deal(samples), np.arange(len(samples))[ranks.share]
    stop: Callable[[], bool] = options.deadline or (lambda: False)
    worse = np.fmax if criterion.rises else np.fmin

    def search() -> Search:
        score = _ask(module, share, share.x, options)
        adversarial, spool = np.zeros(len(share), bool), np.zeros(share.x.shape, np.float32)
        for attack, threat in attacks:
            x = _find_worst(module, share, Until(attack, stop), threat, options)
            score = worse(score, _verify(module, share, x, threat, options))
            left = np.flatnonzero((correct & ~found.adversarial)[rows] & ~adversarial)
            new = left[
                verify(module, candidates_of(share.take(left), x[left], threat, options.batcher.size)).fault == 0
            ]
            adversarial[new], spool[new] = True, x[new]
        return Search(score.astype(np.float32), adversarial, spool[adversarial])

    part = ranks.agree(search)
    score, adversarial = ranks.whole(part.score), ranks.whole(part.adversarial)
    counts = ranks.all(len(part.x_adv))
    own = ranks.once(lambda: _score_found(module, samples, found, options))
    score[found.adversarial] = worse(score[found.adversarial], own)
    places = np.concatenate(ranks.all(rows[part.adversarial]))
    return Search(score, adversarial, sort_inputs(ranks.inputs(part.x_adv, counts), places))


def add_search(found: AttackResult, search: Search) -> AttackResult:
    """Return the result of an attack with the scores of a search, and with the adversarial inputs that it added."""
    rows = np.concatenate([np.flatnonzero(found.adversarial), np.flatnonzero(search.adversarial)])
    x_adv = np.concatenate([found.x_adv, search.x_adv]) if len(search.x_adv) else found.x_adv
    return replace(
        found,
        adversarial=found.adversarial | search.adversarial,
        x_adv=sort_inputs(x_adv, rows) if len(search.x_adv) else x_adv,
        fault=np.where(search.adversarial, 0, found.fault).astype(np.int8),
        score=search.score,
    )


def _score_found(module: nn.Module, samples: Samples, found: AttackResult, options: RunOptions) -> Scores:
    """Return the scores of the adversarial inputs of an attack, in the samples' order."""
    some = samples.take(np.flatnonzero(found.adversarial))
    return _ask(module, some, found.x_adv, options).astype(np.float32)


def _ask(
    module: nn.Module, samples: Samples, x: NDArray[np.float32] | LazyInputs, options: RunOptions
) -> NDArray[np.float64]:
    return check_scores(module, x, samples.y, options.batcher.size, samples.criterion)


def _find_worst(
    module: nn.Module, samples: Samples, attack: AnyAttack, threat: Threat, options: RunOptions
) -> NDArray[np.float32]:
    """Return the input of the worst score that an attack finds for each sample, (n, *shape)."""
    criterion = read_criterion(samples.criterion)

    def run_batch(x: Tensor, y: Tensor, index: Tensor) -> Tensor:
        rng = Rng.of(options.seed, index)
        return worsen_scores(module, attack, x, y, threat, criterion=criterion, seed=rng).x_adv.cpu()

    return torch.cat(options.batcher.each(run_batch, samples)).numpy()


def _verify(
    module: nn.Module, samples: Samples, x: NDArray[np.float32], threat: Threat, options: RunOptions
) -> NDArray[np.float64]:
    """Return the verified scores of inputs, (n,): NaN where an answer is not finite, or the threat admits no such x."""
    candidates = candidates_of(samples, x, threat, options.batcher.size)
    small, inside = check_limits(candidates)
    return np.where(small & inside, _ask(module, samples, x, options), np.nan)
