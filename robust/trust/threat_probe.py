"""The subject of the checks of a threat model: the threat model, and the samples that it is for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from robust.attacks.threats.threat import Threat
from robust.data.dataset import Samples

PROBED_SAMPLES = 64  # a few tell in which units a data set is


@dataclass(frozen=True)
class ThreatProbe:
    """A threat model, which knows the bounds of the data, and samples of that data."""

    threat: Threat
    samples: Samples

    @property
    def x(self) -> NDArray[np.float32]:
        """Return the first inputs, (n, *shape)."""
        return self.samples.x[:PROBED_SAMPLES]
