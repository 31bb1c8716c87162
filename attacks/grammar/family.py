"""The words of a family of threat models, for `words.py` and `robust list`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple


class Family(NamedTuple):
    """A kind of threat models, by the word before the colon."""

    name: str
    form: str  # as it is typed: "linf:EPS"
    about: str  # one line, with an example
    options: tuple[tuple[str, str], ...]  # (a part of the form, what may stand there)
    canonical: Callable[[str, Path], str]  # (the text, the folder of its files) -> its canonical spelling
    has_steps: bool = (
        True  # it can project and step, so gradient attacks and trainings that follow gradients are for it
    )
    # Of a canonical word: what may be done, in plain words, for the page.
    explain: Callable[[str], str] = lambda word: ""
    numbers: int = 0  # of theta, if it transforms inputs
    tell: Callable[[Sequence[float]], str] | None = None  # (theta) -> how an input was transformed, in a few words
