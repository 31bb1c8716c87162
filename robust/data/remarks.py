"""Remarks on data: what the user should know of how they were read, and what their labels are."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

CHOICE = "say so with --robust-output=logit or --robust-output=probability"

Form = Literal["whole", "float", "one-hot", "values", "bits"]


@dataclass(slots=True)
class Remarks:
    """Remarks on one data set, filled in while the data are read."""

    notes: dict[str, None] = field(default_factory=dict)  # for the user, in order, each once
    form: Form = "whole"  # of the labels as they are stored
    columns: int = 0  # of one-hot labels
    features: tuple[str, ...] = ()  # the names of the columns, if the inputs are a table that has some

    def note(self, text: str) -> None:
        """Add a note."""
        self.notes[text] = None

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Leave the remarks as they are, for the length of a block that reads what is not measured."""
        before = dict(self.notes), self.form, self.columns
        try:
            yield
        finally:
            self.notes, self.form, self.columns = before

    def find_faults(self, columns: int, chosen: bool) -> Iterator[str]:
        """Yield why the labels are no classes of a model that answers with so many columns.

        `chosen` is whether the user says what kind of answers they are: then one column is for two classes.
        """
        if self.form == "one-hot" and columns != self.columns:
            yield f"the labels are one-hot, of {self.columns} classes, and the model answers with {columns} columns"
        if self.form == "float" and columns == 1 and not chosen:
            yield (
                "the labels are floating-point numbers and the model answers with one: if these are two classes, "
                f"{CHOICE}; if they are values, how far an answer may be off: --robust-criterion=within:T"
            )
