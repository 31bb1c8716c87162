"""Run measurements and trainings on several processes."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from robust.distributed.ranks import Ranks

RANKS: "pytest.StashKey[Ranks]" = pytest.StashKey()  # on the config, if torchrun started several processes
