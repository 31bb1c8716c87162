"""How a command ends where one of its ranks is lost: with one line, told once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TextIO

from robust.ranks import KEPT, LostError, Ranks

SOON = 5.0  # seconds in which the ranks find out who of them is missing


class Ending:
    """What one rank knows of the others' end."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self.lost = ""
        self._told_to_end = False  # as torchrun does to all ranks where one has died

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Within, torchrun's SIGTERM is a KeyboardInterrupt."""

        def end(*_: object) -> None:
            if not (self.lost or self._told_to_end):
                self._told_to_end = True
                raise KeyboardInterrupt

        if self.ranks.size == 1:
            yield
            return
        before = signal.signal(signal.SIGTERM, end)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def tell(self, command: str, screen: TextIO) -> bool:
        """Whether a rank is lost, or all were told to end; one of them writes a line about it."""
        if self._told_to_end and not self.lost:
            self.lost = self._found()
        if self.lost and self.ranks.tells():
            screen.write(f"robust {command}: {self.lost}\n")
            screen.flush()
        return bool(self.lost)

    def _found(self) -> str:
        try:
            replace(self.ranks, wait=SOON).all(None)
        except LostError as lost:
            return str(lost)
        return f"ended by SIGTERM; {KEPT}"
