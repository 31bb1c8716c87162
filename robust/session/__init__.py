"""One pytest run with a model: its settings, its tests, what they found, and what is written and shown."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from robust.session.run import Run

CHOSEN = "robust_chosen"  # what the controller tells a worker of the baseline
RUN: "pytest.StashKey[Run]" = pytest.StashKey()  # on the config of such a run
