"""One pytest run with a model: its settings, its tests, what they found, and what is written and shown."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from robust.session.hooks import RobustSession

SESSION: "pytest.StashKey[RobustSession]" = pytest.StashKey()  # on the config of such a run
