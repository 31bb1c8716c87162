"""Several processes that measure or train together."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from robust.distributed.ranks import Ranks

RANKS: "pytest.StashKey[Ranks]" = pytest.StashKey()  # on the config where torchrun started several processes
