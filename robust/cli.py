"""The console script `robust`: it runs the command that its arguments name."""

import argparse
import re
import sys

from robust.attacks.text import brief, printable_lines
from robust.cli_arguments import build_parser


def main(argv: list[str] | None = None) -> int:
    """Run a command, and return the exit status.

    0 is success; 1 a training that diverged, a study of which no trial finished, a row that was not verified or a model
    that is worse than is allowed; 4 a mistake in the arguments.
    """
    parser = build_parser()
    typed = sys.argv[1:] if argv is None else argv
    if typed[:1] in (["evaluate"], ["certify"]):  # the options are the plugin's, also by their names there
        typed = [re.sub("^--robust-", "--", text) for text in typed]
    if typed[:1] == ["train"]:
        typed = _separate_report(typed)
    try:
        args = parser.parse_args(typed)
    except SystemExit as done:  # the parser has printed help, or what is wrong
        return int(done.code or 0)
    try:
        if args.command == "train":
            return _run_train(args)
        if args.command == "tune":
            return _run_tune(args)
        if args.command == "compress":
            return _run_compress(args)
        if args.command == "verify":
            return _run_verify(args)
        if args.command == "evaluate":
            return _run_evaluate(args)
        if args.command == "certify":
            return _run_certify(args)
        if args.command == "compare":
            return _run_compare(args)
        sys.stdout.write(
            printable_lines({"board": _run_board, "list": _run_list, "show": _run_show}[args.command](args))
        )
    except (ValueError, LookupError, OSError, RecursionError, MemoryError, OverflowError) as error:
        sys.stderr.write(f"robust {args.command}: {brief(str(error) or type(error).__name__)}\n")
        return 4
    return 0


def _separate_report(typed: list[str]) -> list[str]:
    """Return the arguments with an equals sign at a --report without a file, which would take the model for one."""
    bare = (
        text == "--report" and not after.endswith(".html") for text, after in zip(typed, [*typed[1:], ""], strict=True)
    )
    return [f"{text}=" if alone else text for text, alone in zip(typed, bare, strict=True)]


def _run_board(args: argparse.Namespace) -> str:
    from robust.commands.board import run

    return run(args)


def _run_list(args: argparse.Namespace) -> str:
    from robust.commands.list import run

    return run(args)


def _run_train(args: argparse.Namespace) -> int:
    from robust.commands.train import main

    return main(args)


def _run_tune(args: argparse.Namespace) -> int:
    from robust.user_code import is_installed

    if not (is_installed("optuna") and is_installed("sklearn")):
        raise LookupError("Optuna and scikit-learn are needed; pip install 'pytest-robust[tune]'")
    from robust.commands.tune import main

    return main(args)


def _run_evaluate(args: argparse.Namespace) -> int:
    from robust.commands.evaluate import run

    return run(args)


def _run_certify(args: argparse.Namespace) -> int:
    from robust.commands.certify import main

    return main(args)


def _run_compress(args: argparse.Namespace) -> int:
    from robust.commands.compress import run

    for text in run(args):
        sys.stdout.write(printable_lines(text))
    return 0


def _run_verify(args: argparse.Namespace) -> int:
    from robust.commands.verify import run

    verified = run(args)
    sys.stdout.write(printable_lines(verified.text))
    return 0 if verified.sound else 1


def _run_show(args: argparse.Namespace) -> str:
    from robust.commands.show import run

    return run(args)


def _run_compare(args: argparse.Namespace) -> int:
    from robust.commands.compare import run

    compared = run(args)
    sys.stdout.write(printable_lines(compared.text))
    return 1 if compared.failed else 0
