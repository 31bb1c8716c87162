"""The files of a folder that `robust compress` writes."""

import io
import os
from dataclasses import dataclass
from importlib.metadata import version

import msgspec
import torch
from safetensors.torch import save
from torch import nn

import robust
from robust.commands.compress_order import CompressOrder
from robust.data.dataset import Samples
from robust.models.compressed import CARD, MADE_HERE, TWIN, Calibration, Card, Float, hash_file, name_weights
from robust.models.format import Terms
from robust.models.packing import CONVOLUTIONS, LINEAR, quietly
from robust.models.pruning import measure_zeros
from robust.records.files import private, write
from robust.user_code import is_installed


@dataclass(frozen=True, slots=True)
class Compressed:
    """A network before and after, with the samples that calibrated it."""

    whole: nn.Module  # the float network as it answers, with its normalisation
    terms: Terms  # for which it was loaded
    before: nn.Module  # the float network as it was loaded
    twin: nn.Module  # the float network whose weights were packed; of a network that was only pruned, `before`
    after: nn.Module  # of a program the network that was written as one
    content: bytes  # of the file of a program; empty if weights are stored
    calibration: Samples | None
    source: Float


def write_folder(order: CompressOrder, compressed: Compressed) -> Card:
    """Write the weights, the float twin and the card, and remember that this project has; return the card."""
    order.out.mkdir(parents=True, exist_ok=True)
    name = name_weights(order.form, order.packing)
    content = compressed.content or (_pack_file if order.packing else _save)(compressed.after)
    write(order.out / name, content)
    write(order.out / TWIN, _save(compressed.twin))
    samples = compressed.calibration
    card = Card(
        schema=1,
        source=msgspec.structs.replace(compressed.source, bytes=len(_save(compressed.before))),
        packing=order.packing,
        form=order.form,
        prune=order.prune,
        zeros=round(measure_zeros(compressed.twin if order.packing else compressed.after), 6),
        seed=order.seed,
        recipe=order.recipe,
        packed_layers=_count_float(compressed.twin) - _count_float(compressed.after) if order.packing else 0,
        layers=_count_float(compressed.twin),
        calibration=Calibration(order.dataset.name, "train", len(samples), samples.digest) if samples else None,
        bytes=len(content),
        file=hash_file(order.out / name),
        twin=hash_file(order.out / TWIN),
        versions=_list_versions(),
    )
    write(order.out / CARD, msgspec.json.format(msgspec.json.encode(card), indent=1) + b"\n")
    made = private(order.folder / ".robust") / MADE_HERE
    write(made / hash_file(order.out / CARD), os.fsencode(os.path.relpath(order.out, order.folder)) + b"\n")
    return card


def _save(network: nn.Module) -> bytes:
    return save({name: tensor.detach().clone().contiguous() for name, tensor in network.state_dict().items()})


def _pack_file(network: nn.Module) -> bytes:
    file = io.BytesIO()
    with quietly():
        torch.save(network.state_dict(), file)
    return file.getvalue()


def _count_float(network: nn.Module) -> int:
    """Count the layers that keep a plain float weight."""
    return sum(_is_float(part) for part in network.modules())


def _is_float(part: nn.Module) -> bool:
    weight = part._parameters.get("weight") if isinstance(part, (*LINEAR, *CONVOLUTIONS)) else None
    return weight is not None and type(weight.data) is torch.Tensor


def _list_versions() -> dict[str, str]:
    versions = {"pytest-robust": robust.__version__, "torch": str(torch.__version__)}
    return versions | ({"torchao": version("torchao")} if is_installed("torchao") else {})
