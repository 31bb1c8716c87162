"""One patch for all inputs (Brown et al. 2017, 1712.09665): by LaVAN (1801.02608), then by Patch-RS (2006.12834)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from robust.attacks.criteria.classification import CLASS
from robust.attacks.criteria.criterion import Criterion
from robust.attacks.grammar.universal import UNIVERSAL
from robust.attacks.registry import ATTACKS
from robust.attacks.rng import Rng
from robust.attacks.spec import check_at_least_1
from robust.attacks.task import Model, Task
from robust.attacks.threats.patch import PatchThreat
from robust.attacks.threats.threat import Threat
from robust.attacks.zoo._universal import Effort, Shown, ShownState, learn_all


@ATTACKS.register("universal-patch")
@dataclass(frozen=True, slots=True)
class UniversalPatch:
    """Learn one patch, and its place, on other samples than those that it is then shown on.

    Windows are tried as LaVAN does, on all samples that it learns on; from the best the mean of their margins is
    ascended; then squares of the patch are changed, and the patch is moved, by random search. What counts is how many
    are fooled, and then how much of the clean margins is left. Without a gradient random search does it alone.
    """

    steps: int = 600  # changes by random search, of all places together
    samples: int = 500  # of the training split, to learn on
    tries: int = 48  # windows that are tried first
    places: int = 3  # of these that are improved
    climb: int = 10  # steps of each ascent
    families: ClassVar[tuple[str, ...]] = (UNIVERSAL,)
    alone: ClassVar[bool] = True  # no restarts and the like: several patches would serve, each a part of the samples

    def __post_init__(self) -> None:
        for name in ("steps", "samples", "tries", "places", "climb"):
            check_at_least_1(name, getattr(self, name))

    def describe_cost(self) -> str:
        """Return what learning takes, in words; a backward pass counts as two."""
        passes = self.tries + 4 * self.places * self.climb + self.steps + 4
        return f"one patch is learnt first, on {self.samples:,} training samples: at most {passes:,} passes of each"

    def learn(
        self,
        model: Model,
        x: Tensor,
        y: Tensor,
        threat: Threat,
        *,
        seed: int = 0,
        criterion: Criterion = CLASS,
        batch: int = 250,
    ) -> Shown:
        """Return the attack that shows the patch which was learnt on x, (N, *features), and y, for these threat models.

        ValueError if the model answers none of them right, or no part of the threat model is one patch for all.
        """
        rng = Rng.of(seed, torch.arange(len(x), device=x.device))
        threats = [part for part in threat.parts if isinstance(part, PatchThreat) and part.universal]
        if not threats:
            raise ValueError(f"{threat}: a patch is learnt for patch:HxW:universal=true")
        effort = Effort(self.tries, self.places, self.climb, self.steps)
        return learn_all(lambda part: Task.of(model, x, y, part, rng, criterion), threats, effort, batch)

    def init(self, task: Task) -> ShownState:
        """Raise ValueError: the patch is learnt first."""
        raise ValueError("learn the patch first, on other samples: UniversalPatch().learn(model, x, y, threat)")

    def step(self, task: Task, state: ShownState, k: int) -> ShownState:
        del task, k
        return state
