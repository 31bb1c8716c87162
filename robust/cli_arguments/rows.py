"""The arguments of the commands that read rows: board, verify, show and compare."""

import argparse
from pathlib import Path


def add_board(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("folders", nargs="*", type=Path, default=[Path("leaderboard")], metavar="FOLDER", help="default: leaderboard")
    add("--into", type=Path, metavar="DIR", help="merge the folders' records into this one, as a run adds its rows")
    add(
        "--import",
        dest="claims",
        type=Path,
        metavar="PATH",
        help="show RobustBench's model_info, DATA/THREAT/ID.json or a folder of these, beside the tables, unranked",
    )
    add("--export", type=Path, metavar="DIR", help="write the rows, and the imported entries, as such files")


def _add_row(parser: argparse.ArgumentParser) -> None:
    """Add what names a row, and its data."""
    add = parser.add_argument
    add("row", metavar="ROW", help="the path of a row's .json, or a part of its name that no other row has")
    add(
        "--leaderboard",
        dest="folder",
        type=Path,
        default=Path("leaderboard"),
        metavar="DIR",
        help="the folder of the row",
    )
    add("--data", metavar="DATA", help="the row's data set, if its name is not enough: npz:FILE")


def add_show(parser: argparse.ArgumentParser) -> None:
    _add_row(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write; new, or empty")


def add_verify(parser: argparse.ArgumentParser) -> None:
    _add_row(parser)
    add = parser.add_argument
    add("--model", metavar="MODEL", help="the row's model, as --robust-model of pytest takes it")
    add("--arch", metavar="ARCH", help="the architecture of the weights of --model, or of those beside the row")
    add("--normalize", metavar="MEAN/STD", help="as --robust-normalize of the row's run, if it had one")
    add("--output", metavar="FORM", help="as --robust-output of the row's run, if it had one")
    add("--device", default="cpu", metavar="DEVICE", help="cpu (default), auto, cuda, cuda:1 or mps")


def add_compare(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("before", type=Path, metavar="A", help="a baseline, a leaderboard's folder, or a row's .json")
    add("after", type=Path, metavar="B", help="likewise, to be compared with A")
    add(
        "--fail",
        action="append",
        metavar="ACCURACY:POINTS",
        help="exit with status 1 if an accuracy drops by more, significantly, as --robust-compare-fail of pytest: "
        "robust_acc:2pp,clean_acc:1pp,certified_acc:2pp; or if a mean score is worse by more: mean:+2, miou:2pp; "
        "mean:2pp of the mean over corruptions",
    )
