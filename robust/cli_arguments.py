"""The commands of the console script `robust`, and their arguments."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import robust

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
    parser = argparse.ArgumentParser(prog="robust", description=robust.__doc__)
    parser.add_argument("--version", action="version", version=f"pytest-robust {robust.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_board(
        commands.add_parser("board", help="write a leaderboard's files again from its records, or merge several")
    )
    list_ = commands.add_parser(
        "list", help="list the suites, attacks, data sets, architectures, training recipes and their wrappers"
    )
    list_.add_argument("name", nargs="?", metavar="NAME", help="one of them: describe it, with its options")
    _add_train(commands.add_parser("train", help="train a model's architecture adversarially"))
    _add_tune(
        commands.add_parser("tune", help="choose a recipe's options by the robust accuracy on validation, with Optuna")
    )
    _add_compress(
        commands.add_parser(
            "compress", help="store a network in 8 bits, or without its smallest weights, in a folder that pytest tests"
        )
    )
    evaluate = commands.add_parser("evaluate", help="attack models as the plugin does, with torchrun also on many GPUs")
    _add_evaluate(evaluate)
    _add_certify(
        commands.add_parser("certify", help="prove for which samples no input of the threat model is answered wrong")
    )
    _add_verify(commands.add_parser("verify", help="check a published row against its evidence, without an attack"))
    _add_show(commands.add_parser("show", help="write a row's adversarial inputs as images and arrays"))
    _add_compare(commands.add_parser("compare", help="compare the rows of two runs, sample by sample"))
    return parser


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
    add("--export", type=Path, metavar="DIR", help="write the rows, and the imported entries, as such files")


def _add_train(parser: argparse.ArgumentParser) -> None:
    _add_training(parser)
    add = parser.add_argument
    add(
        "--recipe",
        dest="train",
        action="append",
        metavar="RECIPE",
        help="pgd-at (default), trades+awp+ema:beta=3:epochs=10, or options in a file: trades:config=train.toml; "
        "several by commas, or given again",
    )
    add(
        "--out",
        type=Path,
        metavar="DIR|FILE",
        help="where the weights go, a folder or FILE.safetensors; default: .robust/models, where pytest looks",
    )
    add(
        "--report",
        nargs="?",
        const="",
        metavar="FILE.html",
        help="make one page on the training, by default beside the weights: curves, gradients, dead units, confusion; "
        "costs one pass over the validation samples and one attack of 10 steps",
    )
    _add_wait(parser)


def _add_training(parser: argparse.ArgumentParser) -> None:
    """Add what one training and many have in common: the model, the data and the threat model."""
    add = parser.add_argument
    add(
        "model",
        metavar="MODEL",
        help="FILE.py:FACTORY, PACKAGE.MODULE:FACTORY, zoo:NAME, torchvision:NAME, timm:NAME, as net.py:make(width=2)",
    )
    add(
        "--normalize",
        metavar="MEAN/STD",
        help="normalise inputs as a part of the model, as --robust-normalize of pytest does",
    )
    add("--output", metavar="FORM", help="what the model answers with, as --robust-output of pytest takes it")
    add("--data", default="digits", metavar="DATA", help="as --robust-data of pytest takes it; default: digits")
    add("--criterion", metavar="CRITERION", help="what is a right answer, as --robust-criterion of pytest takes it")
    add("--download", action="store_true", help="download the data set if it is not on this machine")
    add("--threat", metavar="NORM:EPS", help="what an attacker may do: linf:8/255; default: the data set's")
    add("--seed", type=_read_whole, default=0, metavar="N", help="the seed of everything random; default: 0")
    add("--device", default="auto", metavar="DEVICE", help="auto (default), cpu, cuda, cuda:1 or mps")


def _add_tune(parser: argparse.ArgumentParser) -> None:
    _add_training(parser)
    add = parser.add_argument
    add(
        "--recipe",
        default="pgd-at",
        metavar="RECIPE",
        help="the recipe, with the options that do not vary: pgd-at (default), trades+awp:steps=7",
    )
    add(
        "--space",
        required=True,
        metavar="FILE.toml",
        help="what varies, by range or list: lr = {low = 0.01, high = 0.3, log = true}, beta = [1, 3, 6], "
        "arch.width = [8, 16] for an argument of the model's function",
    )
    add("--trials", type=_read_count, default=30, metavar="N", help="how many are to be done in all; default: 30")
    add("--epochs", type=_read_count, metavar="N", help="of each trial; default: as the recipe says")
    add("--sampler", default="tpe", metavar="NAME", help="how values are drawn: tpe (default) or random")
    add(
        "--objectives",
        metavar="NAME[,NAME]",
        help="what is made large on validation: robust, clean or certified, or two, clean,robust, whose front is "
        "shown; default: what the recipe selects its epochs by",
    )
    add("--time", type=_read_time, metavar="TIME", help="end after 30s, 5m or 1h; the same command then goes on")
    add("--jobs", type=_read_count, default=1, metavar="N", help="how many processes train at once; default: 1")
    add("--name", metavar="NAME", help="of the study, in .robust/tune; default: the model's and the recipe's")


def _add_compress(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help="as --robust-model of pytest takes it: net.py:make, or weights with --arch")
    add("--arch", metavar="ARCH", help="the architecture of a file of weights, as --robust-arch of pytest takes it")
    add(
        "--int8",
        metavar="KIND",
        help="dynamic: linear layers in int8, inputs as they come; static: linear and convolutional layers, with "
        "scales measured on training samples; weights: the weights alone, and the network computes with floats",
    )
    add("--fp8", metavar="KIND", help="weights: the weights alone in float8")
    add(
        "--prune", metavar="SHARE", help="this share of the weights, the smallest of all layers, becomes 0: 0.5 or 50%%"
    )
    add(
        "--form",
        metavar="FORM",
        help="onnx: a graph for onnxruntime, which quantises with --int8=dynamic; export: a program of torch.export, "
        "with --int8=static quantised by torchao's pt2e; default: weights for the network's own code",
    )
    add("--recipe", dest="train", metavar="RECIPE", help="train the pruned network on by it: trades:epochs=5")
    add(
        "--calibration",
        type=_read_count,
        default=256,
        metavar="N",
        help="training samples that scales are measured on; default: 256",
    )
    add("--normalize", metavar="MEAN/STD", help="as --robust-normalize of pytest, if the model is tested with it")
    add("--output", metavar="FORM", help="as --robust-output of pytest, if the model is tested with it")
    add("--data", default="digits", metavar="DATA", help="as --robust-data of pytest takes it; default: digits")
    add("--criterion", metavar="CRITERION", help="what is a right answer, as --robust-criterion of pytest takes it")
    add("--download", action="store_true", help="download the data set if it is not on this machine")
    add("--threat", metavar="NORM:EPS", help="that the recipe trains for; default: the data set's")
    add("--run-code", action="append", metavar="PATH", help="let a model file run code, as of pytest")
    add("--safe-globals", action="append", metavar="NAME", help="what pickles of weights may use, as of pytest")
    add("--seed", type=_read_whole, default=0, metavar="N", help="the seed of everything random; default: 0")
    add("--device", default="cpu", metavar="DEVICE", help="that the recipe trains on: cpu (default), auto or cuda")
    add(
        "--out",
        required=True,
        metavar="DIR",
        help="the folder to write; new, empty, or one of an earlier robust compress",
    )


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    """Add the plugin's options by their own names."""
    from robust.options import OPTIONS

    parser.add_argument("robust_model", nargs="*", metavar="MODEL", help="as --robust-model of pytest takes it")
    for option in OPTIONS:
        if option.name not in ("model", "only"):
            _add_option(parser, option, option.dest)
    _add_wait(parser)


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


def _add_wait(parser: argparse.ArgumentParser) -> None:
    help_ = "under torchrun, how long a process may keep the others waiting: 30s, 5m, 1h; default: 30m"
    parser.add_argument("--wait", type=_read_time, metavar="TIME", help=help_)


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


def _add_show(parser: argparse.ArgumentParser) -> None:
    _add_row(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write; new, or empty")


def _add_verify(parser: argparse.ArgumentParser) -> None:
    _add_row(parser)
    add = parser.add_argument
    add("--model", metavar="MODEL", help="the row's model, as --robust-model of pytest takes it")
    add("--arch", metavar="ARCH", help="the architecture of the weights of --model, or of those beside the row")
    add("--normalize", metavar="MEAN/STD", help="as --robust-normalize of the row's run, if it had one")
    add("--output", metavar="FORM", help="as --robust-output of the row's run, if it had one")
    add("--device", default="cpu", metavar="DEVICE", help="cpu (default), auto, cuda, cuda:1 or mps")


def _add_compare(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("before", type=Path, metavar="A", help="a baseline, a leaderboard's folder, or a row's .json")
    add("after", type=Path, metavar="B", help="likewise, to be compared with A")
    add(
        "--fail",
        action="append",
        metavar="ACCURACY:POINTS",
        help="exit with status 1 if an accuracy drops by more, significantly, as --robust-compare-fail of pytest: "
        "robust_acc:2pp,clean_acc:1pp,certified_acc:2pp; or if a mean score is worse by more: mean:+2, miou:2pp",
    )


def _read_whole(text: str) -> int:
    from robust.settings.parsing import parse_whole

    try:
        return parse_whole(text, 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or more, got {text!r}") from None


def _read_count(text: str) -> int:
    from robust.settings.parsing import parse_whole

    try:
        return parse_whole(text, 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 or more, got {text!r}") from None


def _read_time(text: str) -> float | None:
    from robust.settings.values import read_time

    try:
        return read_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, got {text!r}") from None
