"""`robust board`: make the files of a leaderboard anew, merge several, and exchange entries with RobustBench."""

import argparse
from pathlib import Path

from robust.records.files import locked, write
from robust.records.store import Fate, check_folder, describe_fates, merge, records
from robust.report.board import boards
from robust.report.folder import write_board
from robust.report.robustbench import FOLDER, entries, read_entries


def run(args: argparse.Namespace) -> str:
    """Returns what is to be printed. ValueError, LookupError or OSError where nothing can be made."""
    folder = _folder(args.folders, args.into)
    for source in args.folders:
        if not (source / "results").is_dir():
            raise LookupError(f"{source} holds no records (no folder {source / 'results'})")
    check_folder(folder)
    given, lines = read_entries(args.claims) if args.claims else [], []
    claims = [source / FOLDER for source in args.folders]
    kept = [entry for path in claims if path.is_dir() for entry in read_entries(path)]
    with locked(folder):
        if args.into is not None:
            lines.append(f"{folder}: {describe_fates(_merged(args.folders, folder))}")
        for entry in (*kept, *given):
            write(folder / FOLDER / entry.place, entry.text.encode())
        lines += [*[f"imported {len(given)}, not ranked"] * bool(given), *map(str, write_board(folder))]
        if args.export:
            lines.append(f"{args.export}: {_export(folder, args.export)} entries")
    return "".join(f"{line}\n" for line in lines)


def _folder(folders: list[Path], into: Path | None) -> Path:
    if into is None and len(folders) > 1:
        raise ValueError(f"{len(folders)} folders; name the one that they are merged into: --into=DIR")
    return folders[0] if into is None else into


def _merged(folders: list[Path], into: Path) -> list[Fate]:
    return [fate for folder in folders if folder.resolve() != into.resolve() for fate in merge(folder, into)]


def _export(folder: Path, out: Path) -> int:
    """Of a leaderboard all that an entry can say; how many."""
    claims = folder / FOLDER
    imported = read_entries(claims) if claims.is_dir() else []
    found = entries(boards(records(folder))) | {entry.place: entry.text for entry in imported}
    for place, text in found.items():
        write(out / place, text.encode())
    return len(found)
