"""Folders of `robust compress`: a packed or pruned network, its float twin, and a card.

The road of attacks is chosen here: the network's own gradient if one reaches its inputs, else that of its float twin.
"""

import copy
import os
import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from robust.attacks.files import read_content
from robust.attacks.text import brief, first_line
from robust.models.checkpoint import fit_weights, read_weights
from robust.models.compressed import CARD, TWIN, Card, read_card
from robust.models.deployed import OnnxNetwork, refuse_form, register_operators
from robust.models.format import Loaded, Source, Terms, model_format
from robust.models.formats.exported import read as read_program
from robust.models.load import build_raw
from robust.models.normalize import NONE
from robust.models.packing import pack, quietly
from robust.models.spec import LIBRARIES, ModelSpec
from robust.models.traits import has_gradient, mark_queried
from robust.models.twinned import follow_twin
from robust.models.weights import is_packed

TOLD = {
    "own": "its gradient",
    "twin": "the gradient of its float twin, straight through: what counts must fool the compressed network itself",
    "queries": "queries",
}


def _matches(source: Source) -> bool:
    return not source.head and CARD in source.members


@model_format("compressed", "a folder of robust compress", _matches)
def read(source: Source, terms: Terms) -> Loaded:
    """Return the compressed network, attacked by the road of the terms, or by the first that it has.

    ValueError if a file is not what the card says, if the card names code that nobody permits, or if it has no such
    road.
    """
    card = read_card(source.path)
    _check_terms(card, terms)
    if card.form:
        refuse_form(card.form, card.packing)
    twin = _build_float(card, source.path, terms)
    x = terms.inputs[:2] if terms.inputs is not None else torch.zeros(2, *terms.shape)
    try:
        fit_weights(twin, read_weights(source.path / TWIN))
        network = _fill(card, source.path, twin.eval(), x)
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"does not fit {card.source.arch or card.source.model}: {brief(first_line(error))}") from error
    road = _choose_road(network, x, terms.road)
    if road == "twin":
        follow_twin(network, twin)
    if road == "queries":
        mark_queried(network)
    notes = [f"compressed from {card.source.model} ({card.how})"]
    if not (road == "own" and is_packed(network)):  # of which `find_traits` tells the same
        notes.append(f"it is attacked through {TOLD[road]}")
    return Loaded(network, tuple(notes))


def _check_terms(card: Card, terms: Terms) -> None:
    trained, now = card.source.normalize, terms.normalize or NONE
    if trained != now:
        fault = f"its card says that it was compressed with --normalize={trained}"
        raise ValueError(f"{fault}, and this run has {now}; say the same, as --robust-normalize={trained}")
    if terms.layout is not None:
        raise ValueError(f"takes one input, and the data have several ({terms.layout})")


def _build_float(card: Card, folder: Path, terms: Terms) -> nn.Module:
    """Return the float network without its weights; ValueError if that would run code which is not permitted."""
    below = Path(os.path.normpath(folder / card.source.below))
    made_by = card.source.arch or card.source.model
    try:
        spec = ModelSpec.parse(made_by, below)
    except (ValueError, LookupError) as error:
        raise ValueError(f"was made from {made_by}, which is not there: {error.args[0]}") from error
    if spec.answers or spec.members:
        raise ValueError(f"was made from {made_by}, which is no network")
    code = spec.factory is not None and spec.library not in LIBRARIES
    if (code or card.form == "export") and not terms.permissions.allows_code(folder / CARD):
        what = "holds a torch.export program" if card.form == "export" else f"was made from {made_by}"
        fault = f"{what}, code that would be run, and not by robust compress in this project"
        raise ValueError("; ".join([fault, *terms.permissions.suggest_options(folder / CARD)]))
    return build_raw(spec, None, below, terms)


def _fill(card: Card, folder: Path, twin: nn.Module, x: Tensor) -> nn.Module:
    """Return the compressed network: a copy of the twin in the form of the card, with the folder's weights."""
    if card.form == "onnx":
        return OnnxNetwork(read_content(folder / card.weights))
    if card.form == "export":
        register_operators(card.packing)
        return _load_program(folder / card.weights)
    if not card.packing:
        network = copy.deepcopy(twin)
        fit_weights(network, read_weights(folder / card.weights))
        return network
    network = pack(card.packing, twin, x)
    with quietly(), (folder / card.weights).open("rb") as file:
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise ValueError(f"{card.weights} holds more than weights: {brief(first_line(error))}") from None
        network.load_state_dict(state, assign=True)
    return network


def _load_program(path: Path) -> nn.Module:
    """Return a program of torch.export, which can run code: the card must be permitted to."""
    content = read_program(Source.of(path), Terms()).content
    assert isinstance(content, nn.Module)
    return content


def _choose_road(network: nn.Module, x: Tensor, wanted: str) -> str:
    """Return the road that is wanted, else the network's own gradient if one reaches x, (n, *shape), else its twin."""
    own = wanted in ("", "own") and has_gradient(network, x)
    if wanted == "own" and not own:
        raise ValueError("passes no gradient of its own to the inputs; take --robust-road=twin or queries")
    return wanted or ("own" if own else "twin")
