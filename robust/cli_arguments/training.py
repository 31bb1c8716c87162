"""The arguments of the commands that make a network: train, tune and compress."""

import argparse
from pathlib import Path

from robust.cli_arguments.values import read_count, read_time, read_whole


def add_train(parser: argparse.ArgumentParser) -> None:
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
    add_wait(parser)


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
    add("--seed", type=read_whole, default=0, metavar="N", help="the seed of everything random; default: 0")
    add("--device", default="auto", metavar="DEVICE", help="auto (default), cpu, cuda, cuda:1 or mps")


def add_tune(parser: argparse.ArgumentParser) -> None:
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
    add("--trials", type=read_count, default=30, metavar="N", help="how many are to be done in all; default: 30")
    add("--epochs", type=read_count, metavar="N", help="of each trial; default: as the recipe says")
    add("--sampler", default="tpe", metavar="NAME", help="how values are drawn: tpe (default) or random")
    add(
        "--objectives",
        metavar="NAME[,NAME]",
        help="what is made large on validation: robust, clean or certified, or two, clean,robust, whose front is "
        "shown; default: what the recipe selects its epochs by",
    )
    add("--time", type=read_time, metavar="TIME", help="end after 30s, 5m or 1h; the same command then goes on")
    add("--jobs", type=read_count, default=1, metavar="N", help="how many processes train at once; default: 1")
    add("--name", metavar="NAME", help="of the study, in .robust/tune; default: the model's and the recipe's")


def add_compress(parser: argparse.ArgumentParser) -> None:
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
        type=read_count,
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
    add("--seed", type=read_whole, default=0, metavar="N", help="the seed of everything random; default: 0")
    add("--device", default="cpu", metavar="DEVICE", help="that the recipe trains on: cpu (default), auto or cuda")
    add(
        "--out",
        required=True,
        metavar="DIR",
        help="the folder to write; new, empty, or one of an earlier robust compress",
    )


def add_wait(parser: argparse.ArgumentParser) -> None:
    help_ = "under torchrun, how long a process may keep the others waiting: 30s, 5m, 1h; default: 30m"
    parser.add_argument("--wait", type=read_time, metavar="TIME", help=help_)
