"""`robust compress`: store a network in fewer bits, or without its smallest weights, in a folder that pytest tests."""

import argparse
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from robust.attacks.rng import seeded
from robust.commands.compress_clean import describe_clean
from robust.commands.compress_files import Compressed, write_folder
from robust.commands.compress_order import CompressOrder
from robust.commands.train import read as read_training
from robust.data.dataset import Samples
from robust.evaluation.model_check import check_model
from robust.models.compressed import CARD, Card, Float
from robust.models.deployed import write_deployed
from robust.models.format import Terms
from robust.models.load import load, load_raw, make_subject
from robust.models.normalize import NONE, add_normalization
from robust.models.packing import pack
from robust.models.pruning import prune_weights, release
from robust.progress import open_training_bar
from robust.records.files import private
from robust.train.cache import train
from robust.train.setup import TrainingSpec

TRIED = 16  # samples on which the model is tried first


def run(args: argparse.Namespace) -> Iterator[str]:
    """Compress a model, and yield what is to be told; ValueError or LookupError, in one line, for what is wrong."""
    order = CompressOrder.read(args)
    compressed = compress(order, args)
    card = write_folder(order, compressed)
    yield _describe(order, card, describe_clean(order, compressed.whole, compressed.terms))


def compress(order: CompressOrder, args: argparse.Namespace) -> Compressed:
    """Load the model of an order, prune it, train it on and pack it as the order says."""
    samples = order.dataset.load("train", order.calibration, order.seed)
    terms = _make_terms(order, samples)
    with seeded(order.seed), _renaming(order.spec.text):
        subject = load(order.spec, order.arch, order.folder, terms)
        check_model(subject.module, order.dataset, samples.take(np.arange(min(TRIED, len(samples)))))
    with seeded(order.seed):
        before, _ = load_raw(order.spec, order.arch, order.folder, terms)
    network = before = before.eval()
    if order.prune:
        network = _prune(order, args, before, replace(terms, output=subject.output))
    x = torch.from_numpy(samples.x[:])
    x = add_normalization(nn.Identity(), order.normalize)(x)
    content = write_deployed(order.form, network, order.packing, x) if order.form else b""
    after = pack(order.packing, network, x) if order.packing and not order.form else network
    source = Float(
        model=order.spec.text,
        arch=order.arch,
        below=os.path.relpath(order.folder, order.out),
        normalize=order.normalize or NONE,
        weights=subject.weights,
        params=subject.params,
        bytes=0,
    )
    calibrated = samples if order.packing.endswith("static") else None
    twin = network if order.packing else before
    return Compressed(subject.module, terms, before, twin, after, content, calibrated, source)


@contextmanager
def _renaming(model: str) -> Iterator[None]:
    """Let what is wrong with a model name it, and the options of this command in place of pytest's."""
    try:
        yield
    except (ValueError, LookupError) as error:
        message = str(error).replace("--robust-model=", "").replace("--robust-", "--")
        raise ValueError(message if model in message else f"{model}: {message}") from error


def _make_terms(order: CompressOrder, samples: Samples) -> Terms:
    dataset = order.dataset
    return Terms(
        shape=dataset.shape or (),
        classes=dataset.classes or 0,
        permissions=order.permissions,
        normalize=order.normalize,
        output=order.output or "",
        inputs=torch.from_numpy(samples.x[:TRIED]),
        labels=dataset.labels,
        map_size=samples.map_size,
        declared=not dataset.open,
    )


def _prune(order: CompressOrder, args: argparse.Namespace, network: nn.Module, terms: Terms) -> nn.Module:
    """Return the network with the share of its weights at 0, trained on if a recipe is named."""
    masked = prune_weights(network, order.prune)
    if not order.recipe:
        return release(masked).eval()
    training = read_training(
        argparse.Namespace(**{**vars(args), "model": order.arch or order.spec.text, "out": None, "report": None})
    )
    with open_training_bar(f"training {order.recipe}") as bar:
        spec = TrainingSpec(
            lambda: make_subject(order.spec.name, prune_weights(network, order.prune), terms).module,
            order.recipe,
            training.dataset,
            training.threat,
            order.seed,
            f"{order.spec.name}-pruned{order.prune:g}",
        )
        folder = private(Path.cwd() / ".robust") / "models"
        trained = train(spec, folder, on_epoch=bar.show_epoch, on_batch=bar.show_batch, on_resume=bar.show_resumed)
    masked.load_state_dict(trained.module.state_dict())
    return release(masked).eval()


def _describe(order: CompressOrder, card: Card, clean: str) -> str:
    out = Path(os.path.relpath(order.out))
    size = f"{card.bytes:,} bytes, {100 * card.bytes / card.source.bytes:.0f} % of the float network's"
    words = ["pytest", f"--robust-model={out}", f"--robust-data={order.data}"]
    words += [f"--robust-normalize={order.normalize}"] if order.normalize else []
    words += [f"--robust-output={order.output}"] if order.output else []
    lines = [
        f"{order.spec.name}: {card.how}",
        *([f"  layers:  {card.packed_layers} of {card.layers} are packed"] if card.packing and not card.form else []),
        *(
            [f"  zeros:   {card.zeros:.1%} of the weights; a file that stores them densely is as large"]
            if card.prune
            else []
        ),
        f"  weights: {out / card.weights}, {size}",
        f"  clean:   {clean}",
        f"  card:    {out / CARD}",
        f"  test it: {shlex.join(words)}",
    ]
    return "".join(f"{line}\n" for line in lines)
