"""What one test is about, and how it tells what is wrong."""

from dataclasses import dataclass
from typing import Any, NoReturn

import pytest
from torch import nn

from robust.data.dataset import Samples
from robust.gates import Decision
from robust.settings.settings import Variant

Found = dict[str, Any]

FOUND = pytest.StashKey[list[Found]]()  # on an item: what it measured, for the session
COMPARED = pytest.StashKey[Found]()  # on an item: what it compared with a baseline, for the session
DECISIONS = pytest.StashKey[list[Decision]]()  # on an item: of its figures that have a floor
WARNINGS = pytest.StashKey[list[str]]()  # on an item: what the user should read beside the figures


@dataclass(frozen=True, slots=True)
class Case:
    """A test, and the model, the samples and the seed that it measures with."""

    item: pytest.Item
    variant: Variant
    module: nn.Module
    samples: Samples
    seed: int

    def warn(self, text: str) -> None:
        """Tell the user at the end of the run. Not a Python warning: no filter may hide it, nor make a gate of it."""
        told = f"{self.variant.spec.name} ({self.variant.training}): {text}"
        self.item.stash.setdefault(WARNINGS, []).append(told)
        self.item.user_properties.append(("robust.warning", told))


def fail(message: str) -> NoReturn:
    """Fail the test with this message and nothing else, also from within an `except`."""
    raise pytest.fail.Exception(message, pytrace=False) from None
