"""The console script `robust`: what needs no pytest."""

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import robust


def main(argv: list[str] | None = None) -> int:
    """Run a command. Returns the exit status: 0; 4 for a mistake in what was asked.

    1 where a training diverged, a row was not verified, or a model is worse than is allowed.
    """
    parser = argparse.ArgumentParser(prog="robust", description=robust.__doc__)
    parser.add_argument("--version", action="version", version=f"pytest-robust {robust.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_board(commands.add_parser("board", help="make a leaderboard's files anew from its records, or merge several"))
    list_ = commands.add_parser(
        "list", help="list the suites, attacks, data sets, architectures, training recipes and what wraps them"
    )
    list_.add_argument("name", nargs="?", metavar="NAME", help="one of them: tell what it is, and its options")
    _add_train(commands.add_parser("train", help="train a model's architecture adversarially"))
    evaluate = commands.add_parser("evaluate", help="attack models as the plugin does, also on many GPUs with torchrun")
    _add_evaluate(evaluate)
    _add_verify(commands.add_parser("verify", help="check a published row against its evidence, without attacking"))
    _add_compare(commands.add_parser("compare", help="compare the rows of two runs, sample for sample"))
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["evaluate"]:  # its options are the plugin's, also by their names there
        words = [re.sub("^--robust-", "--", word) for word in words]
    try:
        args = parser.parse_args(words)
    except SystemExit as done:  # argparse has told what is wrong; its own status for that is 2
        return 4 if done.code else 0
    try:
        if args.command == "train":
            return _train(args)
        if args.command == "verify":
            return _verify(args)
        if args.command == "evaluate":
            return _evaluate(args)
        if args.command == "compare":
            return _compare(args)
        sys.stdout.write(_board(args) if args.command == "board" else _list(args))
    except (ValueError, LookupError, OSError) as error:
        sys.stderr.write(f"robust {args.command}: {error}\n")
        return 4
    return 0


def _add_board(parser: argparse.ArgumentParser) -> None:
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
    add("--export", type=Path, metavar="DIR", help="write the rows, and what was imported, as such files")


def _board(args: argparse.Namespace) -> str:
    from robust.commands.board import run

    return run(args)


def _list(args: argparse.Namespace) -> str:
    from robust.commands.list import known

    return known(args.name)


def _add_train(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "model",
        metavar="MODEL",
        help="FILE.py:FACTORY, PACKAGE.MODULE:FACTORY, zoo:NAME, torchvision:NAME, timm:NAME, as net.py:make(width=2)",
    )
    add("--normalize", metavar="MEAN/STD", help="make it part of the model, as --robust-normalize of pytest takes it")
    add(
        "--recipe",
        dest="train",
        action="append",
        metavar="RECIPE",
        help="pgd-at (default), trades+awp+ema:beta=3:epochs=10, or options in a file: trades:config=train.toml; "
        "several by commas, or given again",
    )
    add("--data", default="digits", metavar="DATA", help="as --robust-data of pytest takes it; default: digits")
    add("--download", action="store_true", help="download the data set where it is not on this machine")
    add("--threat", metavar="NORM:EPS", help="what an attacker may do: linf:8/255; default: the data set's")
    add("--seed", type=_whole, default=0, metavar="N", help="of all that is random; default: 0")
    add("--device", default="auto", metavar="DEVICE", help="auto (default), cpu, cuda, cuda:1 or mps")
    add(
        "--out",
        type=Path,
        metavar="DIR|FILE",
        help="where the weights go, a folder or FILE.safetensors; default: .robust/models, where pytest looks",
    )
    _add_wait(parser)


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    """The plugin's options by their own names."""
    from robust.options import OPTIONS

    parser.add_argument("robust_model", nargs="*", metavar="MODEL", help="as --robust-model of pytest takes it")
    for option in OPTIONS:
        if option.name in ("model", "only"):
            continue
        kind: dict[str, Any] = {"action": "store_true"} if option.flag else {"metavar": option.metavar}
        kind |= {"action": "append"} if option.many else {}
        kind |= {"nargs": "?", "const": ""} if option.bare else {}
        parser.add_argument(f"--{option.name}", dest=option.dest, default=None, help=option.help, **kind)
    _add_wait(parser)


def _add_wait(parser: argparse.ArgumentParser) -> None:
    told = "under torchrun how long a process may keep the others waiting: 30s, 5m, 1h; default: 30m"
    parser.add_argument("--wait", type=_time, metavar="TIME", help=told)


def _add_verify(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("row", metavar="ROW", help="the path of a row's .json, or enough of its name to tell it from the others")
    add("--leaderboard", dest="folder", type=Path, default=Path("leaderboard"), metavar="DIR", help="where the row is")
    add("--model", metavar="MODEL", help="its model, as --robust-model of pytest takes it")
    add("--arch", metavar="ARCH", help="what its weights belong to: those of --model, or those beside the row")
    add("--normalize", metavar="MEAN/STD", help="as --robust-normalize was, where its row had one")
    add("--data", metavar="DATA", help="its data set, where that does not go by its name alone: npz:FILE")
    add("--device", default="cpu", metavar="DEVICE", help="cpu (default), auto, cuda, cuda:1 or mps")


def _add_compare(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("before", type=Path, metavar="A", help="a baseline, a leaderboard's folder, or a row's .json")
    add("after", type=Path, metavar="B", help="likewise")
    add(
        "--fail",
        action="append",
        metavar="ACCURACY:POINTS",
        help="exit status 1 where an accuracy dropped by more, significantly, as --robust-compare-fail of pytest: "
        "robust_acc:2pp,clean_acc:1pp",
    )


def _whole(text: str) -> int:
    from robust.settings.parsing import parse_whole

    try:
        return parse_whole(text, 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or more, got {text!r}") from None


def _time(text: str) -> float | None:
    from robust.settings.values import read_time

    try:
        return read_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, got {text!r}") from None


def _train(args: argparse.Namespace) -> int:
    from robust.commands.train import main

    return main(args)


def _evaluate(args: argparse.Namespace) -> int:
    from robust.commands.evaluate import run

    return run(args)


def _verify(args: argparse.Namespace) -> int:
    from robust.commands.verify import run

    verified = run(args)
    sys.stdout.write(verified.text)
    return 0 if verified.sound else 1


def _compare(args: argparse.Namespace) -> int:
    from robust.commands.compare import run

    compared = run(args)
    sys.stdout.write(compared.text)
    return 1 if compared.failed else 0
