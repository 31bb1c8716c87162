"""The commands of the console script `robust`, and their arguments."""

import argparse
from typing import TYPE_CHECKING, Any

import robust
from robust.cli_arguments.parser import OneLineParser
from robust.cli_arguments.rows import add_board, add_compare, add_show, add_verify
from robust.cli_arguments.training import add_compress, add_train, add_tune, add_wait

if TYPE_CHECKING:
    from robust.options import Option

CERTIFYING = (  # the options of `robust certify`
    *(
        "arch",
        "normalize",
        "output",
        "run-code",
        "safe-globals",
        "data",
        "download",
        "criterion",
        "attacked",
        "goal",
        "threat",
    ),
    *("train",),
    *("samples", "seed", "draw", "batch-size", "time", "device"),
)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = OneLineParser(prog="robust", description=robust.__doc__)
    parser.add_argument("--version", action="version", version=f"pytest-robust {robust.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    add_board(commands.add_parser("board", help="write a leaderboard's files again from its records, or merge several"))
    list_ = commands.add_parser(
        "list", help="list the suites, attacks, data sets, architectures, training recipes and their wrappers"
    )
    list_.add_argument("name", nargs="?", metavar="NAME", help="one of them: describe it, with its options")
    add_train(train := commands.add_parser("train", help="train a model's architecture adversarially"))
    train.hint = "; options of a recipe stand behind it, as --recipe=pgd-at:epochs=10"
    add_tune(
        commands.add_parser("tune", help="choose a recipe's options by the robust accuracy on validation, with Optuna")
    )
    add_compress(
        commands.add_parser(
            "compress", help="store a network in 8 bits, or without its smallest weights, in a folder that pytest tests"
        )
    )
    evaluate = commands.add_parser("evaluate", help="attack models as the plugin does, with torchrun also on many GPUs")
    _add_evaluate(evaluate)
    _add_certify(
        commands.add_parser("certify", help="prove for which samples no input of the threat model is answered wrong")
    )
    add_verify(commands.add_parser("verify", help="check a published row against its evidence, without an attack"))
    add_show(commands.add_parser("show", help="write a row's adversarial inputs as images and arrays"))
    add_compare(commands.add_parser("compare", help="compare the rows of two runs, sample by sample"))
    return parser


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Add the plugin's options by their own names."""
    from robust.options import OPTIONS

    parser.add_argument("robust_model", nargs="*", metavar="MODEL", help="as --robust-model of pytest takes it")
    for option in OPTIONS:
        if option.name not in ("model", "only"):
            _add_option(parser, option, option.dest)
    add_wait(parser)


def _add_option(parser: argparse.ArgumentParser, option: "Option", dest: str) -> None:
    """Add one option of the plugin."""
    kind: dict[str, Any] = {"action": "store_true"} if option.flag else {"metavar": option.metavar}
    kind |= {"action": "append"} if option.many else {}
    kind |= {"nargs": "?", "const": ""} if option.bare else {}
    parser.add_argument(f"--{option.name}", dest=dest, default=None, help=option.help, **kind)


def _add_certify(parser: argparse.ArgumentParser) -> None:
    """Add those of the plugin's options that certificates depend on, by their own names."""
    from robust.options import OPTIONS

    parser.add_argument("model", nargs="+", metavar="MODEL", help="as --robust-model of pytest takes it")
    parser.add_argument(
        "--method",
        "--certify",
        dest="certify",
        default="alpha-crown",
        metavar="METHOD",
        help="ibp, crown or alpha-crown (default): each with the cheaper ones before it",
    )
    parser.set_defaults(leaderboard="none")
    for option in OPTIONS:
        if option.name in CERTIFYING:
            _add_option(parser, option, option.name.replace("-", "_"))
