"""Write the report on a training, and name it in the cards beside the weights."""

import json
import os
from pathlib import Path

from robust.attacks.files import read_text
from robust.attacks.threats.threat import Part
from robust.records.files import read_object, write
from robust.report.trainings import read_key
from robust.train.cache import Trained
from robust.train.curves import read_gradients
from robust.train.report.inspection import inspect
from robust.train.report.page import Course, training_page

ENDING = ".html"


def refuse_place(path: Path) -> None:
    """Raise ValueError, in one line, if no report can be written there: before the training, which takes long."""
    if path.suffix != ENDING:
        raise ValueError(f"a report is a page; name it {path.with_suffix(ENDING).name}, or leave the name out")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent}; make it, or name another")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"the folder {path.parent} cannot be written; name another")
    if os.path.lexists(path) and read_key(path) is None:
        raise ValueError("is there, and no report on a training; name another file, or remove it")


def choose_place(trained: Trained, wanted: Path | None) -> Path:
    """Return where the report goes: the file that is wanted, or beside the weights, by their name."""
    return wanted or (trained.copy or trained.path).with_suffix(ENDING)


def write_report(trained: Trained, threat: Part, seed: int, path: Path) -> None:
    """Look at the trained module, write the report, and name it in the card, as seen from the folder of each card."""
    course, weights = _read_course(trained), trained.copy or trained.path
    seen = inspect(trained.module, trained.selection, threat, seed)
    write(path, training_page(course, seen, weights.name).encode())
    for file in {trained.path, weights}:
        card = file.with_suffix(".json")
        named = {
            **read_object(card),
            "report": Path(os.path.relpath(path.absolute(), file.parent.absolute())).as_posix(),
        }
        write(card, (json.dumps(named, indent=1) + "\n").encode())


def _read_course(trained: Trained) -> Course:
    """Return the course of the training; a damaged file of gradients is as none."""
    path = trained.path.with_suffix(".gradients.csv")
    try:
        return Course.of(trained.card, read_gradients(read_text(path)))
    except (OSError, ValueError):
        return Course.of(trained.card, (), f"They were not kept: {path.name} is missing, or of another training.")
