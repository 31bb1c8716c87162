"""`robust board`: write the files of a leaderboard again, merge several, and exchange entries with RobustBench."""

import argparse
from pathlib import Path

from robust.records.files import locked, refuse_links, write
from robust.records.store import Fate, check_folder, describe_fates, merge, records, sound_records
from robust.report.board import boards
from robust.report.folder import check_rendering, write_board
from robust.report.robustbench import FOLDER, make_entries, read_entries


def run(args: argparse.Namespace) -> str:
    """Write the files, and return the lines to print; ValueError, LookupError or OSError if nothing can be written."""
    folder = _choose_folder(args.folders, args.into)
    for source in args.folders:
        if not (source / "results").is_dir():
            raise LookupError(f"{source} holds no records (no folder {source / 'results'})")
    check_folder(folder)
    new_entries, lines = read_entries(args.claims) if args.claims else [], []
    claims = [source / FOLDER for source in args.folders]
    old_entries = [entry for path in claims if path.is_dir() for entry in read_entries(path)]
    with locked(folder):
        if args.into is not None:
            lines.append(f"{folder}: {describe_fates(_merge(args.folders, folder))}")
        for entry in (*old_entries, *new_entries):
            write(refuse_links(folder, folder / FOLDER / entry.place), entry.text.encode())
        lines += [*[f"imported {len(new_entries)}, not ranked"] * bool(new_entries), *map(str, write_board(folder))]
        if args.export:
            lines.append(f"{args.export}: {_export(folder, args.export)} entries")
    return "".join(f"{line}\n" for line in lines)


def _choose_folder(folders: list[Path], into: Path | None) -> Path:
    if into is None and len(folders) > 1:
        raise ValueError(f"{len(folders)} folders; name the one that they are merged into: --into=DIR")
    return folders[0] if into is None else into


def _merge(folders: list[Path], into: Path) -> list[Fate]:
    """File the records of all folders in `into`: all are read, checked and rendered before one is filed."""
    theirs = {folder: sound_records(folder) for folder in folders if folder.resolve() != into.resolve()}
    for folder, rows in theirs.items():
        check_rendering(folder, rows)
    return [fate for folder, rows in theirs.items() for fate in merge(folder, rows, into)]


def _export(folder: Path, out: Path) -> int:
    """Write an entry for each row, and the imported ones, below `out`; return their number."""
    claims = folder / FOLDER
    imported = read_entries(claims) if claims.is_dir() else []
    texts = make_entries(boards(records(folder))) | {entry.place: entry.text for entry in imported}
    for place, text in texts.items():
        write(refuse_links(out, out / place), text.encode())
    return len(texts)
