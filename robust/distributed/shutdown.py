"""How a command ends where one of its ranks is lost: with one line, told once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TextIO

from robust.distributed.ranks import KEPT, LostError, Ranks

SOON = 5.0  # seconds in which the ranks find out who of them is missing


class Shutdown:
    """What one rank knows of the others' end."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self.lost = ""
        self.told_to_end = False  # as torchrun does to all ranks where one has died

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Within, torchrun's SIGTERM is a KeyboardInterrupt."""

        def end(*_: object) -> None:
            if not (self.lost or self.told_to_end):
                self.told_to_end = True
                raise KeyboardInterrupt

        if self.ranks.size == 1:
            yield
            return
        before = signal.signal(signal.SIGTERM, end)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def close(self, status: int, command: str, screen: TextIO) -> int:
        """The exit status, once all ranks have come here: torchrun ends the others as soon as one fails.

        The first has `status`, the others 0. Where one is lost all have 1, and one of them writes a line about it.
        """
        self.lost = self.lost or self._missing()
        if not self.lost:
            return status if self.ranks.first else 0
        if self.ranks.tells():
            screen.write(f"robust {command}: {self.lost}\n")
            screen.flush()
        return 1

    def _missing(self) -> str:
        try:
            if not self.told_to_end:
                with suppress(KeyboardInterrupt):
                    self.ranks.all(None)
                    return ""
            replace(self.ranks, wait=SOON).all(None)
        except LostError as lost:
            return str(lost)
        return f"ended by SIGTERM; {KEPT}"
