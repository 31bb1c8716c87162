"""End a command on all ranks; if one is lost, report it in one line, once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TextIO

from robust.distributed.ranks import RESUME, LostError, Ranks

SHORT_WAIT = 5.0  # seconds for the ranks to find out which of them is missing


class Shutdown:
    """The end of a command, as one rank sees it."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self.lost = ""
        self.terminated = False  # by SIGTERM, which torchrun sends to all ranks when one has died

    @contextmanager
    def catch_sigterm(self) -> Iterator[None]:
        """Raise KeyboardInterrupt in the block when torchrun sends SIGTERM."""

        def end(*_: object) -> None:
            if not (self.lost or self.terminated):
                self.terminated = True
                raise KeyboardInterrupt

        if self.ranks.size == 1:
            yield
            return
        previous = signal.signal(signal.SIGTERM, end)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, previous)

    def close(self, status: int, command: str, screen: TextIO) -> int:
        """Wait for all ranks, since torchrun ends the others as soon as one fails; return the exit status.

        The first rank returns `status`, the others 0. If one is lost all return 1, and one of them writes a line.
        """
        self.lost = self.lost or self._missing()
        if not self.lost:
            return status if self.ranks.first else 0
        if self.ranks.claim_report():
            screen.write(f"robust {command}: {self.lost}\n")
            screen.flush()
        return 1

    def _missing(self) -> str:
        """Return which rank is lost, in one line; "" if none is."""
        try:
            if not self.terminated:
                with suppress(KeyboardInterrupt):
                    self.ranks.all(None)
                    return ""
            replace(self.ranks, wait=SHORT_WAIT).all(None)
        except LostError as lost:
            return str(lost)
        return f"ended by SIGTERM; {RESUME}"
