"""`robust verify`: find a row, the data and the model, and say what is verified and what cannot be."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from robust.attacks.files import read_content, read_text
from robust.attacks.text import printable
from robust.commands.row_check import Check, Row
from robust.commands.verify_row import bound_accuracy, check_files, check_row
from robust.data.dataset import Dataset, Samples, Split
from robust.data.factory import open_data
from robust.data.tables import fit_tables
from robust.models.compressed import list_made_here
from robust.models.normalize import read_normalize
from robust.models.output_form import read_output
from robust.records.evidence import Evidence
from robust.records.files import read_object
from robust.records.record import Record
from robust.records.schema_1 import CRITERION
from robust.records.used import name_pool
from robust.verification.fresh_process import PROBED_INPUTS, Source

MAX_ROWS = 4  # are listed if a name is ambiguous


@dataclass(frozen=True, slots=True)
class Verified:
    """The result, and its text for the terminal."""

    sound: bool
    text: str


def run(args: argparse.Namespace) -> Verified:
    """Verify a row; ValueError or LookupError, in one line, if the row, the data or the model is missing."""
    path = find(args.row, args.folder)
    try:
        record = Record.from_json(read_text(path))
    except ValueError as error:
        return _report(path, [Check("record", False, str(error))], [])
    checks = [Check("record", *_check_place(path, record))]
    file = path.with_suffix(".npz")
    if not file.exists():
        return _report(path, [*checks, Check("evidence", False, f"there is no file {file.name} beside it")], [])
    content = read_content(file)
    checks += check_files(record, content)
    if not checks[-1].sound:
        return _report(path, checks, [])
    evidence = Evidence.from_bytes(content)
    dataset = fit_tables(find_data(args, record), [record.threat]).complete()
    samples = find_samples(dataset, record, evidence)
    if samples is None:
        return _report(path, [*checks, Check("data", False, f"{dataset.name} has no such samples")], [])
    dataset = dataset if dataset.classes is not None else dataset.widen(samples.y)
    row = Row(record, evidence, samples, dataset, load_model(args, record, dataset, samples))
    checks += check_row(row)
    return _report(path, checks, [*_describe_limits(row), *_hint_at_options(args, record, checks)])


def find(text: str, folder: Path) -> Path:
    """Return the record at that path, or the only one with `text` in its name; LookupError for none, or several."""
    if (path := Path(text)).is_file():
        return path
    results = folder / "results"
    if not results.is_dir():
        raise LookupError(f"{text}: no such file, and {folder} holds no rows (no folder {results}); name --leaderboard")
    paths = {str(path.relative_to(results).with_suffix("")): path for path in sorted(results.rglob("*.json"))}
    matching = [text] if text in paths else [stem for stem in paths if text in stem]
    if len(matching) == 1:
        return paths[matching[0]]
    if not matching:
        raise LookupError(f"no row of {folder} has {text!r} in its name, and there is no such file")
    more = ", ..." if len(matching) > MAX_ROWS else ""
    raise LookupError(f"{text!r} is in the names of {len(matching)} rows: {', '.join(matching[:MAX_ROWS])}{more}")


def find_data(args: argparse.Namespace, record: Record) -> Dataset:
    """Return the data set that the user names, or else the row's, if reading it runs no code of others."""
    try:
        dataset = open_data(args.data or record.data.name, Path.cwd())
        return dataset if record.criterion == CRITERION else dataset.judged_by(record.criterion["name"])
    except LookupError as error:
        if args.data:
            raise
        _, number, of = name_pool(record.data.name)
        fold = f":fold={number}of{of}" if number else ""
        hint = f"a row does not choose what is read; name its data yourself: --data=data.py:load{fold}"
        raise LookupError(f"{error.args[0]}; {hint}") from None


def find_samples(dataset: Dataset, record: Record, evidence: Evidence) -> Samples | None:
    """Return the samples whose numbers the evidence holds; None if the data set has no such samples."""
    split: Split = "train" if record.data.split == "train" else "test"
    if len(evidence.index) and not 0 <= evidence.index.min() <= evidence.index.max() < len(dataset.read(split)[1]):
        return None
    return dataset.read_rows(split, evidence.index)


def load_model(args: argparse.Namespace, record: Record, dataset: Dataset, samples: Samples) -> nn.Module:
    """Return the module that the user names, or else the row's, if that runs no code but this package's."""
    weights = None if args.model else find_weights(record, args.folder)
    recorded = _get_provenance(record, "model")
    text = args.model or args.arch or printable(str(recorded.get("text") or ""))
    if not (args.model or args.arch):
        where = f"{args.folder / 'weights'} or .robust/models"
        if weights is None:
            arch = f" --arch={printable(str(recorded['arch']))}" if recorded.get("arch") else ""
            raise LookupError(
                f"no weights of this row in {where}; name its model: --model={text or 'net.py:make'}{arch}"
            )
        if not text.startswith("zoo:"):
            named = f"--arch={printable(str(recorded.get('arch') or text or 'net.py:make'))}"
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
        output=read_output(args.output) if args.output else "",
        labels=dataset.labels,
        map_size=samples.map_size,
        layout=samples.layout_text,
        trained=str(weights) if weights else None,
        seed=record.seed,
        device=args.device,
        code=list_made_here(Path.cwd() / ".robust"),
        draws=record.draws,
    ).load(samples.x[:PROBED_INPUTS], declared=not dataset.open)


def find_weights(record: Record, folder: Path) -> Path | None:
    """Return the weights that were trained for a row, published beside it or in .robust/models; None for none.

    The key on the card of the weights is the record's.
    """
    key = _get_provenance(record, "training").get("key")
    for card in (*(folder / "weights").glob("*.json"), *Path(".robust/models").glob("*.json")):
        weights = card.with_suffix(".safetensors")
        if key is not None and weights.exists() and read_object(card).get("key") == key:
            return weights
    return None


def _get_provenance(record: Record, part: str) -> dict[str, Any]:
    """Return a part of the record's provenance; empty if it is not there."""
    content = record.provenance.get(part)
    return content if isinstance(content, dict) else {}


def _check_place(path: Path, record: Record) -> tuple[bool, str]:
    """Return (whether the record is filed where it belongs, the message): its path is part of what it claims."""
    stem = path.resolve().with_suffix("").as_posix()
    placed = stem.endswith(f"/{record.stem}")
    return placed, "its counts are those of its outcomes" if placed else f"it belongs at {record.stem}"


def _describe_limits(row: Row) -> list[str]:
    """Return the lines on what the evidence cannot show."""
    record, inputs = row.record, len(row.evidence.row)
    robust, adversarial = int(record.robust.sum()), int((record.correct & ~record.robust).sum())
    recorded = f"robust: {100 * record.robust.mean():.2f} % recorded; "
    lines = [f"{recorded}the inputs alone show at most {bound_accuracy(row):.2f} %"]
    if record.certificate is not None and record.open is not None:
        robust = int(record.open.sum())
        lines[0] += f", the bounds at least {100 * record.certificate.certified.mean():.2f} %"
    left = "open" if record.certificate is not None else "robust"
    rest = [f"the {adversarial - inputs} adversarial samples without inputs here"] * (inputs < adversarial)
    rest += [f"the {robust} {left} samples, as another attack may succeed on them"] * (robust > 0)
    return [*lines, f"cannot be verified: {'; '.join((*rest, 'what the attacks cost'))}"]


def _hint_at_options(args: argparse.Namespace, record: Record, checks: list[Check]) -> list[str]:
    """Return a line with the options that the row was measured with and that this command lacks, if a check failed."""
    recorded = _get_provenance(record, "model")
    missing = [key for key in ("normalize", "output") if recorded.get(key) and not getattr(args, key)]
    if not missing or all(check.sound for check in checks):
        return []
    return ["the row was measured with " + " ".join(f"--{key}={printable(str(recorded[key]))}" for key in missing)]


def _report(path: Path, checks: list[Check], limits: list[str]) -> Verified:
    sound = all(check.sound for check in checks)
    verdict = "verified" if sound else "NOT verified"
    return Verified(sound, "".join(f"{line}\n" for line in (str(path), *_format_checks(checks), *limits, verdict)))


def _format_checks(checks: list[Check]) -> Iterator[str]:
    return (f"  {check.what:<8}  {'sound' if check.sound else 'WRONG'}  {check.message}" for check in checks)
