"""A pytest run with a model: its tests, what they measured, and what is written and shown at the end."""

import pytest

from robust.settings.settings import Settings

SELECTED_BASELINE = "robust_baseline"  # in workerinput: what the controller of pytest-xdist has selected
SETTINGS = pytest.StashKey[Settings]()  # on the config of such a run
