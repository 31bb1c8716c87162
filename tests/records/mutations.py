"""Records with one field changed, shown to every command that reads records: `python -m tests.records.mutations`.

Each field of a record is replaced by each of 30 values, and left out. Nothing may end in a traceback, and no board that
has taken a record may fail afterwards. `every=20` as an argument takes each twentieth change only.
"""

import contextlib
import io
import json
import shutil
import sys
import tempfile
import unittest.mock
from dataclasses import replace
from pathlib import Path

import numpy as np

from robust.baseline.matching import UnfitError, Wanted, find_match
from robust.baseline.store import read, read_inputs, read_numbers
from robust.cli import main
from robust.records.attack_outcome import StageOutcome
from robust.records.gallery import Gallery
from robust.records.record import Record
from robust.records.store import add
from robust.records.trust import Finding, Part, TrustReport
from tests.commands.test_verify import make_row
from tests.making import certificate
from tests.making import record as record_of

DEEP = "[deep]"  # stands for 5,000 lists in one another, which json.dumps cannot write
GONE = "[gone]"  # the key is left out
VALUES = [
    None, True, False, 0, 1, -1, 2, 81, 2**31, 10**30, int("9" * 400), 0.5, 1e308, float("nan"), float("inf"),
    "", "x", "x" * 5000, "../../../x", "/etc/passwd", "a\nb\0", "\x1b[2J\u202e", "\ud800", "::error::x", "<b>|`",
    "linf:1e99999999", [], [[None]], {}, {"a": {"b": 1}}, DEEP, GONE,
]  # fmt: skip
FINDING = Finding("masking", "suspect", 0.5, "told", "hint", weak=True)
TRUST = TrustReport(
    (FINDING,), ("masking",), ("masking",), ("other",), 0.5, ("binarisation",), (Part("masking", 0.2, 40),)
)


def list_places(content, place=()):
    """List the places of all values in JSON; of a list the first element's alone."""
    keys = [*content] if isinstance(content, dict) else [0] * bool(content) if isinstance(content, list) else []
    return [inner for key in keys for inner in ((*place, key), *list_places(content[key], (*place, key)))]


def change(text, place, value):
    """Return a record's JSON with the value at the place."""
    content = json.loads(text)
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    if value is GONE:
        del inner[place[-1]]
    return json.dumps(content, indent=1).replace(f'"{DEEP}"', "[" * 5000 + "]" * 5000)


def make(folder):
    """Make a model, and a leaderboard `base` of one row of it, with all that a record may hold."""
    record, evidence = make_row(folder)
    (pgd,) = record.attacks
    n, broken = record.data.n, int(pgd.adversarial.sum())
    stages = (StageOutcome("pgd:steps=5", n, broken, 1, 1, 1.0), StageOutcome("fab", 3, broken, 1, 1, 1.0))
    images = np.zeros((1, 8, 8, 1), np.uint8)
    one = evidence.row[:1]
    gallery = Gallery(one, evidence.y[one], one, np.ones(1, np.float32), images, images, images, None, None)
    versions = {"versions": {"pytest-robust": "0.1", "torch": "2"}, "command": "pytest --robust-model=net.py:make"}
    told = {"date": "2026-01-02", "device": "cpu", "notes": ["note"], "verified": {"fresh": 1, "edge": 0}}
    training = {"training": {"recipe": "pgd-at", "key": "ab", "options": {"steps": 3}}}
    record = replace(
        record,
        attacks=(replace(pgd, name="quick-1", stages=stages, options={"stages": [{"attack": "fab"}]}),),
        provenance={**record.provenance, **versions, **told, **training},
        trust=TRUST,
        columns={"score": np.ones(n, np.float32)},
        draw=5,
        certificate=replace(certificate("0" + "1" * (n - 1)), partial="time"),
    )
    add(folder / "base", record, replace(evidence, gallery=gallery))
    (path,) = (folder / "base" / "results").rglob("*.json")
    return path


def find_faults(path, text, home):
    """Yield what goes wrong with a changed record, in one line each. `home` is the folder, `path` the unchanged one."""
    theirs, mine = home / "theirs", home / "mine"
    for folder in (theirs, mine):
        shutil.rmtree(folder, ignore_errors=True)
    place = theirs / path.relative_to(home / "base")
    place.parent.mkdir(parents=True)
    place.write_text(text, "utf-8")
    shutil.copy(path.with_suffix(".npz"), place.with_suffix(".npz"))
    before = [*mine.rglob("*.json")]
    merged = yield from call(place, "board", theirs, "--into", mine)
    if merged == 4 and [*mine.rglob("*.json")] != before:
        yield "--into: refused, and filed"
    if merged == 0 and (yield from call(place, "board", mine)):
        yield "--into: the board that took it fails"
    yield from call(place, "board", theirs)
    yield from call(place, "verify", place, "--model=net.py:make")
    yield from call(place, "compare", path, place)
    yield from call(place, "compare", place, path)
    yield from select(path, place)


def call(place, *argv):
    """Call a command; yield its faults, and return its status."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([str(word) for word in argv])
    except BaseException as error:
        yield f"{argv[0]}: {type(error).__name__}: {str(error)[:200]}"
        return None
    line = err.getvalue()
    named = argv[0] != "board" or str(place.parent) in line
    if status not in (0, 1, 4) or (status == 4 and (line.count("\n") != 1 or not named or "\x1b" in line)):
        yield f"{argv[0]}: status {status}, {line[:200]!r}"
    return status


def select(path, place):
    """Yield the faults of what `--robust-compare` of pytest does with a baseline."""
    wanted = Wanted.of(Record.from_json(path.read_text("utf-8")))
    try:
        baseline = read(place)
        find_match(baseline.records, wanted)
        [*read_inputs(place)]
        read_numbers(place, wanted.data.n)
    except (ValueError, UnfitError) as error:
        if "\n" in str(error) or not str(error):
            yield f"--compare: {error!r:.200}"
    except BaseException as error:
        yield f"--compare: {type(error).__name__}: {str(error)[:200]}"


def run(every=1):
    """Yield, for each `every`-th change, the lines on what goes wrong."""
    unsafe = unittest.mock.patch("os.fsync")  # nothing here outlives the process, and disks are slow
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), unsafe:
        path = make(Path(folder))
        text = path.read_text("utf-8")
        changes = [(place, value) for place in list_places(json.loads(text)) for value in VALUES]
        for place, value in changes[::every]:
            faults = find_faults(path, change(text, place, value), Path(folder))
            yield [f"{'.'.join(map(str, place))} = {value!r:.40}: {fault}" for fault in faults]


def make_text():
    """Return the text of a record with the attacks fgsm and pgd."""
    made = replace(record_of(adversarial={"fgsm": "11000000", "pgd": "10000000"}), levels=17)
    made = replace(made, attacks=tuple(replace(attack, rounded=attack.adversarial) for attack in made.attacks))
    return replace(made, trust=TRUST, certificate=certificate("00111100")).to_json()


def find_tracebacks(text):
    """Return the changes of a record that reading it ends in anything but a record or one line."""
    faults = []
    for place in list_places(json.loads(text)):
        for value in VALUES:
            try:
                Record.from_json(change(text, place, value)).stem  # noqa: B018 - it may fail
            except ValueError as error:
                faults += [(place, value, str(error))] * ("\n" in str(error) or not str(error).isprintable())
            except Exception as error:
                faults.append((place, value, repr(error)))
    return faults


if __name__ == "__main__":
    every = int(next((word.removeprefix("every=") for word in sys.argv[1:] if word.startswith("every=")), 1))
    changed = wrong = 0
    for faults in run(every):
        changed, wrong = changed + 1, wrong + len(faults)
        sys.stdout.write("".join(f"{line}\n" for line in faults))
        sys.stdout.flush()
    sys.stdout.write(f"{changed} changed records, {wrong} faults\n")
    sys.exit(bool(wrong))
