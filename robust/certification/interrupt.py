"""An end in the middle of a bound: one sample of a large network may take longer than all the time that there is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class StoppedError(Exception):
    """Raised inside a bound once the time is up."""


def _never() -> bool:
    return False


_stop: ContextVar[Callable[[], bool]] = ContextVar("stop", default=_never)


@contextmanager
def until(stop: Callable[[], bool]) -> Iterator[None]:
    """Ask `stop` in every step of the bounds in the block, which end with StoppedError once it says so."""
    token = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(token)


def check_stopped() -> None:
    """Raise StoppedError if it is time to end."""
    if _stop.get()():
        raise StoppedError
