"""Case: the model and the samples that a test measures with, and the stash in which it hands over its results."""

from dataclasses import dataclass
from typing import Any, NoReturn

import pytest
from torch import nn

from robust.attacks.text import printable, printable_lines
from robust.data.dataset import Samples
from robust.gates import Decision
from robust.session.payload import ItemPayload
from robust.settings.settings import Variant

PAYLOADS = pytest.StashKey[list[ItemPayload]]()  # on an item: what it measured
SAMPLES = pytest.StashKey[Samples]()  # on an item: the samples that it measured
COMPARED = pytest.StashKey[dict[str, Any]]()  # on an item: its comparison with a baseline, as numbers
DECISIONS = pytest.StashKey[list[Decision]]()  # on an item: those on its figures that have a floor
WARNINGS = pytest.StashKey[list[str]]()  # on an item: what the user should read beside the figures


@dataclass(frozen=True, slots=True)
class Case:
    """A test, and the model, the samples and the seed that it measures with."""

    item: pytest.Item
    variant: Variant
    module: nn.Module
    samples: Samples
    seed: int

    def hand_over(self, *payloads: ItemPayload) -> None:
        """Give what was measured to the session, in place of what this test gave before."""
        self.item.stash[PAYLOADS] = [*payloads]
        self.item.stash[SAMPLES] = self.samples

    def note(self, name: str, value: object) -> None:
        """Add a property to the test, which JUnit files show as robust.NAME."""
        shown = printable(value) if isinstance(value, str) else value
        self.item.user_properties.append((f"robust.{name}", shown))

    def warn(self, text: str) -> None:
        """Show a warning at the end of the run. Not a Python warning: no filter may hide it, nor make a gate of it."""
        warning = f"{self.variant.spec.name} ({self.variant.training}): {text}"
        self.item.stash.setdefault(WARNINGS, []).append(warning)
        self.note("warning", warning)


def fail(message: str) -> NoReturn:
    """Fail the test with this message and nothing else, also from within an `except`."""
    raise pytest.fail.Exception(printable_lines(message), pytrace=False) from None
