"""One pytest run with a model: its tests, what they found, and what is written and shown."""

import pytest

from robust.settings.settings import Settings

CHOSEN = "robust_chosen"  # what the controller tells a worker of the baseline
SETTINGS = pytest.StashKey[Settings]()  # on the config of such a run
