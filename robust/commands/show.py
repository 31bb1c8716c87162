"""`robust show`: write the adversarial inputs of a row as arrays and, if they are images, as PNG."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from robust.attacks.files import read_content, read_text
from robust.attacks.layout import Layout
from robust.commands.verify import find, find_data, find_samples
from robust.commands.verify_row import check_files
from robust.data.dataset import Samples
from robust.evaluation.picture import Picture
from robust.records.evidence import Evidence
from robust.records.record import Record
from robust.report.page.images import colour_maps

ARRAYS = "inputs.npz"
UNKNOWN = -1  # the answer to an input of which the row keeps none


def run(args: argparse.Namespace) -> str:
    """Write the files; ValueError, LookupError or OSError, in one line, if there is nothing to show or no place."""
    path, out = find(args.row, args.folder), args.out
    record, evidence = _read_row(path)
    dataset = find_data(args, record).complete()
    samples = find_samples(dataset, record, evidence)
    if samples is None or samples.digest != record.data.digest:
        raise ValueError(f"{dataset.name} is not the data of {path.name}: other samples; name the row's by --data")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is not an empty folder; name another one: --out=DIR")
    arrays: dict[str, Any] = collect_arrays(record, evidence, samples)
    out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out / ARRAYS, **arrays)
    n, told = len(evidence.row), _describe_contradictions(record, evidence)
    picture = Picture.of(arrays["clean"].shape[1:], (dataset.lo, dataset.hi), samples.layout)
    if picture is None:
        shape = "x".join(map(str, arrays["clean"].shape[1:]))
        return (
            f"wrote {n} inputs to {out / ARRAYS}; no images: inputs of {shape} are neither grey nor in colour{told}\n"
        )
    _write_images(out, arrays, picture)
    return f"wrote {n} inputs to {out}: {3 * n} images in clean, adversarial and difference, and {ARRAYS}{told}\n"


def collect_arrays(record: Record, evidence: Evidence, samples: Samples) -> dict[str, NDArray[Any]]:
    """Return the arrays of the file by their names, a line for each adversarial input."""
    shown = samples.take(evidence.row)
    answer = np.full(len(evidence.row), UNKNOWN)
    if (gallery := evidence.gallery) is not None:
        answer = np.full((len(evidence.row), *gallery.answer.shape[1:]), UNKNOWN)
        _, here, there = np.intersect1d(evidence.row, gallery.row, return_indices=True)
        answer[here] = gallery.answer[there]
    certificate, theta = record.certificate, evidence.take_theta([attack.columns for attack in record.attacks])
    return {
        "number": shown.index,
        "label": shown.y,
        "answer": answer,
        "attack": np.array([attack.name for attack in record.attacks])[evidence.by],
        "clean": shown.x[:],
        "adversarial": evidence.x_adv,
        **_collect_parts(samples.layout, shown.x[:], evidence.x_adv),
        **({} if certificate is None else {"certified": certificate.certified[evidence.row]}),
        **({"theta": theta} if np.isfinite(theta).any() else {}),
    }


def _collect_parts(
    layout: Layout | None, clean: NDArray[np.float32], adversarial: NDArray[np.float32]
) -> dict[str, NDArray[Any]]:
    """Return each of several inputs, in its own shape and type; nothing for one input."""
    if layout is None:
        return {}
    return {
        f"{word}_{part.name}": rows[:, layout.places[part.name]].reshape(-1, *part.shape).astype(part.dtype)
        for word, rows in (("clean", clean), ("adversarial", adversarial))
        for part in layout.parts
    }


def _describe_contradictions(record: Record, evidence: Evidence) -> str:
    """Say how many of the inputs are of certified samples, of which there should be none; "" if there are none."""
    count = int(record.contradicted[evidence.row].sum())
    return f"; {count} of them of certified samples, so that the input or the bound is wrong" if count else ""


def draw_images(
    clean: NDArray[np.float32], adversarial: NDArray[np.float32], bounds: tuple[float, float]
) -> dict[str, NDArray[np.uint8]]:
    """Return the three images of one input by their folders: (height, width), or (height, width, 3).

    The difference lies around grey, and its largest value is black or white.
    """
    change = adversarial.astype(np.float64) - clean
    grey = 0.5 + 0.5 * change / (float(np.abs(change).max()) or 1.0)
    lo, hi = bounds
    before, after = ((part.astype(np.float64) - lo) / (hi - lo) for part in (clean, adversarial))
    parts = {"clean": before, "adversarial": after, "difference": grey}
    return {name: _to_bytes(part) for name, part in parts.items()}


def _read_row(path: Path) -> tuple[Record, Evidence]:
    try:
        record = Record.from_json(read_text(path))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    file = path.with_suffix(".npz")
    if not file.exists():
        raise LookupError(f"{path} keeps no adversarial inputs: there is no file {file.name} beside it")
    content = read_content(file)
    if wrong := next((check.message for check in check_files(record, content) if not check.sound), None):
        raise ValueError(f"{file} is not of this row: {wrong}; robust verify tells more")
    evidence = Evidence.from_bytes(content)
    if not len(evidence.row):
        raise LookupError(f"{path} has no adversarial inputs: no attack has fooled the model on any sample")
    return record, evidence


def _write_images(out: Path, arrays: dict[str, NDArray[Any]], picture: Picture) -> None:
    digits = len(str(arrays["number"].max()))
    first = (arrays[name] for name in ("number", "label", "answer"))
    columns = (*first, *(picture.take(arrays[name]) for name in ("clean", "adversarial")))
    for number, label, answer, clean, adversarial in zip(*columns, strict=True):
        if np.ndim(label) == 2:
            _write_maps(out, f"{number:0{digits}}.png", label, answer)
        told = "" if np.ndim(label) == 2 or answer == UNKNOWN else f"-answer{answer}"
        for folder, image in draw_images(clean, adversarial, picture.bounds).items():
            (out / folder).mkdir(exist_ok=True)
            named = "" if np.ndim(label) == 2 else f"-label{label}"
            Image.fromarray(image).save(out / folder / f"{number:0{digits}}{named}{told}.png")


def _write_maps(out: Path, name: str, label: NDArray[Any], answer: NDArray[Any]) -> None:
    """Write the labels of an image in colours, and the answer to its adversarial input where the row has it."""
    maps = {"labels": label, **({} if np.ndim(answer) < 2 or (answer == UNKNOWN).all() else {"answers": answer})}
    for folder, numbers in maps.items():
        (out / folder).mkdir(exist_ok=True)
        Image.fromarray(colour_maps(numbers[None])[0]).save(out / folder / name)


def _to_bytes(image: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return values from 0 to 1 as 8 bits, the channels last; one channel is left out."""
    last = image if image.ndim == 2 else image.transpose(1, 2, 0)
    flat = last[..., 0] if last.ndim == 3 and last.shape[2] == 1 else last
    return np.clip(np.rint(255 * flat), 0, 255).astype(np.uint8)
