"""Scores: what people read of each sample beside right and wrong, such as an error; without an attack and under one.

Under attack it is that of the worst input found for each sample, so the attack goes on after its first success. What
it finds is verified as adversarial inputs are: measured again, and answered again in other batches.
"""

from collections.abc import Callable, Iterable

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
from robust.evaluation.attack_run import RunOptions, Scores, candidates_of
from robust.verification.check import check_scores
from robust.verification.distances import check_limits



def has_score(criterion: str) -> bool:
    """Whether a criterion has a score that says more than right or wrong."""
    return criterion != DEFAULT and bool(read_criterion(criterion).score_name)


def measure_scores(
    module: nn.Module, samples: Samples, attacks: Iterable[tuple[AnyAttack, Threat]], options: RunOptions
) -> Scores:
    """Return the worst score of each sample under the attacks, each run to its end on all samples.

    Without an attack they are those of the clean samples. At the deadline of the options it ends with what was found.
    """
    criterion, share = read_criterion(samples.criterion), options.ranks.deal(samples)
    stop: Callable[[], bool] = options.deadline or (lambda: False)

    def measure() -> Scores:
        worst = check_scores(module, share.x, share.y, options.batcher.size, share.criterion)
        for attack, threat in attacks:
            found = _find_worst(module, share, Until(attack, stop), threat, options)
            score = _verify(module, share, found, threat, options)
            worst = np.fmax(worst, score) if criterion.rises else np.fmin(worst, score)
        return worst.astype(np.float32)

    return options.ranks.whole(options.ranks.agree(measure))


def _find_worst(
    module: nn.Module, samples: Samples, attack: AnyAttack, threat: Threat, options: RunOptions
) -> NDArray[np.float32]:
    """Return the input of the worst score that an attack finds for each sample, (n, *shape)."""
    criterion = read_criterion(samples.criterion)

    def run_batch(x: Tensor, y: Tensor, index: Tensor) -> Tensor:
        rng = Rng.of(options.seed, index)
        return worsen_scores(module, attack, x, y, threat, criterion=criterion, seed=rng).x_adv.cpu()

    return torch.cat(options.batcher.each(run_batch, samples)).numpy()


def _verify(module: nn.Module, samples: Samples, x: NDArray[np.float32], threat: Threat, options: RunOptions) -> Scores:
    """Return the verified scores of inputs, (n,): NaN where an answer is not finite, or the threat admits no such x."""
    candidates = candidates_of(samples, x, threat, options.batcher.size)
    small, inside = check_limits(candidates)
    scores = check_scores(module, x, samples.y, options.batcher.size, samples.criterion)
    return np.where(small & inside, scores, np.nan)
