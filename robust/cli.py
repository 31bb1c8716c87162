"""The console script `robust`: what needs no pytest."""

import argparse
import sys
from pathlib import Path

import robust


def main(argv: list[str] | None = None) -> int:
    """Run `robust board` or `robust list`. Returns the exit status: 0, or 4 for a mistake in what was asked."""
    parser = argparse.ArgumentParser(prog="robust", description=robust.__doc__)
    parser.add_argument("--version", action="version", version=f"pytest-robust {robust.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    board = commands.add_parser("board", help="make a leaderboard's files anew from its records")
    board.add_argument("folder", nargs="?", type=Path, default=Path("leaderboard"))
    commands.add_parser("list", help="list the attacks, data sets, architectures and training recipes")
    try:
        args = parser.parse_args(argv)
    except SystemExit as done:  # argparse has told what is wrong; its own status for that is 2
        return 4 if done.code else 0
    try:
        sys.stdout.write(_board(args.folder) if args.command == "board" else _list())
    except (ValueError, LookupError, OSError) as error:
        sys.stderr.write(f"robust {args.command}: {error}\n")
        return 4
    return 0


def _board(folder: Path) -> str:
    from robust.report.folder import write_board
    from robust.store import check_folder, locked

    if not (folder / "results").is_dir():
        raise LookupError(f"{folder} holds no records (no folder {folder / 'results'})")
    check_folder(folder)
    with locked(folder):
        return "".join(f"{path}\n" for path in write_board(folder))


def _list() -> str:
    from robust.attacks.catalogue import ATTACKS
    from robust.data.dataset import DATA
    from robust.models.catalogue import ARCHITECTURES
    from robust.train.recipe import RECIPES

    registries = (ATTACKS, DATA, ARCHITECTURES, RECIPES)
    return "".join(f"{registry.kind}s: {', '.join(registry.names())}\n" for registry in registries)
