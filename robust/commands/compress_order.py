"""The arguments of `robust compress`, checked before anything is loaded."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from robust.attacks.registry import suggest
from robust.commands.train import describe_option_error
from robust.data.dataset import Dataset
from robust.models.compressed import CARD
from robust.models.deployed import HOLDS, refuse_form
from robust.models.permissions import Permissions
from robust.models.registry import PACKINGS
from robust.models.spec import ModelSpec
from robust.settings.aim import judge_dataset, read_criterion_option
from robust.settings.architecture import read_arch
from robust.settings.parsing import OptionError, blame
from robust.settings.permissions import read_permissions
from robust.settings.sources import Options, options_of_namespace
from robust.settings.values import canonicalize_recipe, read_dataset, read_models, read_normalization, read_output_form

BITS = ("int8", "fp8")


@dataclass(frozen=True, slots=True)
class CompressOrder:
    """An order to compress, in which everything was checked that needs no data."""

    spec: ModelSpec
    arch: str | None
    folder: Path  # where relative paths start
    normalize: str | None
    output: str | None
    permissions: Permissions
    data: str  # as the user wrote it
    dataset: Dataset
    packing: str  # "int8-static"; "" for none
    form: str  # "onnx" or "export" for a program; "" for weights
    prune: float  # the share of the weights that become 0; 0 for none
    recipe: str  # by which the pruned network is trained on; "" for none
    calibration: int
    seed: int
    out: Path  # absolute

    @classmethod
    def read(cls, args: argparse.Namespace) -> "CompressOrder":
        """Return the order; ValueError, in one line on the argument, for what is wrong."""
        try:
            return _read(args, options_of_namespace(args))
        except OptionError as error:
            raise ValueError(describe_option_error(error)) from error


def _read(args: argparse.Namespace, options: Options) -> CompressOrder:
    (spec,) = read_models(options["model"])
    with blame("model", spec.text):
        if spec.answers or spec.members:
            raise ValueError("is no network whose weights could be compressed")
        if (spec.path / CARD).is_file():
            raise ValueError("is compressed already; compress the float network that it came from")
    packing, prune = _read_packing(args), _read_share(args.prune)
    if not packing and not prune:
        kinds = " or ".join(f"--{name.replace('-', '=', 1)}" for name in PACKINGS.names())
        raise ValueError(f"nothing says what to do; say {kinds}, or --prune=0.5")
    form = _read_form(args.form, packing)
    recipe = ""
    if args.train:
        with blame("train", args.train):
            if not prune:
                raise ValueError("it trains on what was pruned; say how much, as --prune=0.5")
            recipe = canonicalize_recipe(args.train)
    out = Path(args.out).absolute()
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / CARD).is_file())):
        raise ValueError(f"--out={args.out}: is there, and no folder of robust compress; name a new one")
    with blame("data", args.data):
        dataset = judge_dataset(read_dataset(options["data"]), read_criterion_option(options["criterion"]))
        dataset = dataset.complete(download=args.download).count_classes()
        if dataset.layout is not None:
            raise ValueError(f"has several inputs ({dataset.layout}), and a packed network takes one")
    return CompressOrder(
        spec=spec,
        arch=read_arch(options, [spec]),
        folder=Path.cwd(),
        normalize=read_normalization(options["normalize"]),
        output=read_output_form(options["output"]),
        permissions=read_permissions(options["run-code"], options["safe-globals"]),
        data=args.data,
        dataset=dataset,
        packing=packing,
        form=form,
        prune=prune,
        recipe=recipe,
        calibration=args.calibration,
        seed=args.seed,
        out=out,
    )


def _read_packing(args: argparse.Namespace) -> str:
    """Return the name of the packing that --int8 or --fp8 says; "" for none."""
    given = [(bits, getattr(args, bits)) for bits in BITS if getattr(args, bits) is not None]
    if len(given) > 1:
        raise ValueError("--int8 and --fp8 exclude each other; leave one out")
    if not given:
        return ""
    ((bits, kind),) = given
    with blame(bits, kind):
        if (bits, kind) == ("fp8", "dynamic"):
            raise ValueError(
                "multiplies in float8, which needs a GPU, and this packs for the processor; take --fp8=weights"
            )
        known = [name.removeprefix(f"{bits}-") for name in PACKINGS.names() if name.startswith(f"{bits}-")]
        if kind not in known:
            raise ValueError(f"unknown kind {suggest(kind, known)}")
    return f"{bits}-{kind}"


def _read_form(text: str | None, packing: str) -> str:
    """Return the form of a program; "" if weights are to be stored."""
    if text is None:
        return ""
    with blame("form", text):
        if text not in HOLDS:
            raise ValueError(f"unknown form {suggest(text, HOLDS)}")
        refuse_form(text, packing)
    return text


def _read_share(text: str | None) -> float:
    """Read "0.5" or "50%" as 0.5; 0 if nothing is given."""
    if text is None:
        return 0.0
    with blame("prune", text):
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = 0.0
        if not 0 < share < 1:
            raise ValueError("expected the share of the weights that become 0, above 0 and below 1, as 0.5 or 50%")
    return share
