"""`robust verify`: find a row, the data and the model, and tell what was verified and what cannot be."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from robust.attacks.text import printable
from robust.commands.verify_row import Check, Row, check_files, check_row, supported
from robust.data.dataset import Dataset, Samples
from robust.data.factory import open_data
from robust.data.lazy_inputs import load_rows
from robust.models.normalize import read_normalize
from robust.records.evidence import Evidence
from robust.records.files import read_object
from robust.records.record import Record
from robust.verification.fresh_process import Source

SHOWN = 4  # rows that an ambiguous name is told to be of


@dataclass(frozen=True, slots=True)
class Verified:
    """What came out, for the terminal."""

    sound: bool
    text: str


def run(args: argparse.Namespace) -> Verified:
    """Verify a row. ValueError or LookupError, in one line, where the row, the data or the model cannot be had."""
    path = find(args.row, args.folder)
    try:
        record = Record.from_json(path.read_text("utf-8"))
    except ValueError as error:
        return _shown(path, [Check("record", False, str(error))], [])
    checks = [Check("record", *_in_place(path, record))]
    file = path.with_suffix(".npz")
    if not file.exists():
        return _shown(path, [*checks, Check("evidence", False, f"there is no file {file.name} beside it")], [])
    content = file.read_bytes()
    checks += check_files(record, content)
    if not checks[-1].sound:
        return _shown(path, checks, [])
    evidence = Evidence.from_bytes(content)
    dataset = _data(args, record).complete()
    x, y = dataset.read("train" if record.data.split == "train" else "test")
    if len(evidence.index) and not 0 <= evidence.index.min() <= evidence.index.max() < len(y):
        return _shown(path, [*checks, Check("data", False, f"{dataset.name} has no such samples")], [])
    samples = Samples(load_rows(x, evidence.index), y[evidence.index], evidence.index)
    row = Row(record, evidence, samples, dataset, model(args, record, dataset))
    checks += check_row(row)
    return _shown(path, checks, _limits(row))


def find(text: str, folder: Path) -> Path:
    """The record at that path, of that stem below results/, or with enough of it; LookupError for none, or several."""
    if (path := Path(text)).is_file():
        return path
    results = folder / "results"
    known = {str(found.relative_to(results).with_suffix("")): found for found in sorted(results.rglob("*.json"))}
    matching = [text] if text in known else [stem for stem in known if text in stem]
    if len(matching) == 1:
        return known[matching[0]]
    if not matching:
        raise LookupError(f"no row of {folder} has {text!r} in its name, and there is no such file")
    more = ", ..." if len(matching) > SHOWN else ""
    raise LookupError(f"{text!r} is in the names of {len(matching)} rows: {', '.join(matching[:SHOWN])}{more}")


def _data(args: argparse.Namespace, record: Record) -> Dataset:
    try:
        return open_data(args.data or record.data.name, Path.cwd())
    except LookupError as error:
        if args.data:
            raise
        asked = "a row does not choose what is read; name its data yourself: --data=data.py:load"
        raise LookupError(f"{error.args[0]}; {asked}") from None


def model(args: argparse.Namespace, record: Record, dataset: Dataset) -> nn.Module:
    """The module that the user names; else what the row says, where that runs no code but this package's."""
    made = None if args.model else weights_of(record, args.folder)
    word = _said(record, "model")
    text = args.model or args.arch or printable(str(word.get("text") or ""))
    if not (args.model or args.arch):
        where = f"{args.folder / 'weights'} or .robust/models"
        if made is None:
            arch = f" --arch={printable(str(word['arch']))}" if word.get("arch") else ""
            raise LookupError(
                f"no weights of this row in {where}; name its model: --model={text or 'net.py:make'}{arch}"
            )
        if not text.startswith("zoo:"):
            named = f"--arch={printable(str(word.get('arch') or text or 'net.py:make'))}"
            raise ValueError(f"a row does not choose what code is run; name its architecture yourself: {named}")
    here = str(Path.cwd())
    assert dataset.shape is not None
    assert dataset.classes is not None
    return Source(
        text=text,
        folder=here,
        arch=args.arch,
        arch_folder=here,
        normalize=read_normalize(args.normalize) if args.normalize else None,
        shape=dataset.shape,
        classes=dataset.classes,
        trained=str(made) if made else None,
        seed=record.seed,
        device=args.device,
    ).load()


def weights_of(record: Record, folder: Path) -> Path | None:
    """The weights that were trained for a row, by the key on their card: published beside it, or in .robust/models."""
    key = _said(record, "training").get("key")
    for card in (*(folder / "weights").glob("*.json"), *Path(".robust/models").glob("*.json")):
        weights = card.with_suffix(".safetensors")
        if key is not None and weights.exists() and read_object(card).get("key") == key:
            return weights
    return None


def _said(record: Record, part: str) -> dict[str, Any]:
    """A part of what the record tells of itself; nothing where that is not there."""
    found = record.provenance.get(part)
    return found if isinstance(found, dict) else {}


def _in_place(path: Path, record: Record) -> tuple[bool, str]:
    """A row goes by its place: whether that is the record's own."""
    stem = path.resolve().with_suffix("").as_posix()
    placed = stem.endswith(f"/{record.stem}")
    return placed, "its counts are those of its outcomes" if placed else f"it belongs at {record.stem}"


def _limits(row: Row) -> list[str]:
    """What the evidence cannot show."""
    record, inputs = row.record, len(row.evidence.row)
    standing, adversarial = int(record.robust.sum()), int((record.correct & ~record.robust).sum())
    recorded = f"robust: {100 * record.robust.mean():.2f} % recorded; "
    lines = [f"{recorded}the inputs alone show at most {supported(row):.2f} %"]
    rest = [f"the {adversarial - inputs} broken samples without inputs here"] * (inputs < adversarial)
    rest += [f"the {standing} samples that stand, as an attack that was not run may break them"] * (standing > 0)
    return [*lines, f"cannot be verified: {'; '.join((*rest, 'what the attacks cost'))}"]


def _shown(path: Path, checks: list[Check], limits: list[str]) -> Verified:
    sound = all(check.sound for check in checks)
    return Verified(sound, "".join(f"{line}\n" for line in (str(path), *_lines(checks), *limits, _verdict(sound))))


def _lines(checks: list[Check]) -> Iterator[str]:
    return (f"  {check.what:<8}  {'sound' if check.sound else 'WRONG'}  {check.message}" for check in checks)


def _verdict(sound: bool) -> str:
    return "verified" if sound else "NOT verified"
