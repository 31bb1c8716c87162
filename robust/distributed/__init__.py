"""Several processes that measure or train together."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from robust.distributed.ranks import Ranks
    from robust.session.run import Run


RANKS: "pytest.StashKey[Ranks]" = pytest.StashKey()  # likewise, where torchrun started several processes
