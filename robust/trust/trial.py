"""What the signs are looked for in: a row's outcomes on a sub-sample, and what more attacks do there."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from robust.attacks.engine import AnyAttack
from robust.attacks.factory import no_models
from robust.attacks.task import Model
from robust.attacks.threat import Threat
from robust.data.dataset import Samples
from robust.evaluate import Finding, Flags, measure_attack
from robust.feed import Feed


@dataclass(frozen=True)
class Trial:
    """A model, m of its samples, and what the row's attacks did to them."""

    module: nn.Module
    samples: Samples  # m
    correct: Flags  # (m,): answered right without an attack
    broken: Flags  # (m,): by any of the row's attacks
    threat: Threat
    attacks: tuple[str, ...]  # the row's, or its suite's stages, as words
    classes: int
    seed: int
    feed: Feed
    load: Callable[[str], Model] = no_models  # makes a model of a surrogate's word

    @property
    def standing(self) -> Flags:
        """(m,): answered right, and broken by none of the row's attacks."""
        return self.correct & ~self.broken

    def measure(self, attack: str | AnyAttack, on: Flags, threat: Threat | None = None) -> Finding:
        """What one more attack does to the samples in the mask `on`; judged as those of the row were."""
        return measure_attack(
            self.module,
            self.samples,
            on,
            attack,
            threat or self.threat,
            seed=self.seed,
            feed=self.feed,
            load=self.load,
        )
