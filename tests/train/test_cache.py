import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from robust.attacks import LpThreat
from robust.data.dataset import DATA
from robust.train.cache import train

DIGITS = DATA.get("digits")
THREAT = LpThreat.parse("linf:0.1")


def build():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def trained(folder: Path, recipe="standard:epochs=1", *, build=build, threat=THREAT, seed=0, **given):
    return train(build, recipe, DIGITS, threat, seed=seed, folder=folder, name="net", **given)


def test_what_is_asked_for_again_is_not_trained_again(tmp_path):
    epochs = []
    first = trained(tmp_path, on_epoch=lambda epoch, plan: epochs.append(epoch))
    second = trained(tmp_path, on_epoch=lambda epoch, plan: epochs.append(epoch))

    assert len(epochs) == 1
    assert first.path == second.path
    assert torch.equal(first.module[1].weight, second.module[1].weight)


class Doubled(nn.Module):
    """The same text and the same weights as `build` makes, another answer."""

    def __init__(self):
        super().__init__()
        self.inner = build()

    def forward(self, x):
        return 2 * self.inner(x)

    def state_dict(self, *args, **kwargs):
        return self.inner.state_dict(*args, **kwargs)

    def load_state_dict(self, weights, *args, **kwargs):
        return self.inner.load_state_dict(weights, *args, **kwargs)

    def __str__(self):
        return str(self.inner)


@pytest.mark.parametrize(
    "other",
    [
        {"recipe": "standard:epochs=2"},
        {"recipe": "fgsm-rs:epochs=1"},
        {"threat": LpThreat.parse("linf:0.2")},
        {"seed": 1},
        {"build": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10, bias=False))},
        {"build": Doubled},
    ],
    ids=["options", "recipe", "threat", "seed", "architecture", "forward"],
)
def test_whatever_determines_the_weights_is_in_the_key(tmp_path, other):
    assert trained(tmp_path, **other).path != trained(tmp_path).path


def test_the_card_tells_what_the_weights_came_from(tmp_path):
    found = trained(tmp_path, "pgd-at:epochs=2:steps=2")
    card = json.loads(found.path.with_suffix(".json").read_text())

    assert card == found.card
    assert card["recipe"] == "pgd-at:epochs=2:steps=2"
    assert card["options"]["epochs"] == 2
    assert card["data"] == {"name": "digits", "split": "train", "n": 1198, "digest": DIGITS.load("train").digest}
    assert card["learnt_from"]["n"] + card["selected_by"]["n"] == 1198
    assert len(card["selected_by"]["index"]) == card["selected_by"]["n"]
    assert len(card["curve"]) == 2
    assert card["best"] in card["curve"]
    assert card["minutes"] >= 0


def test_the_module_is_what_lies_on_the_disk(tmp_path):
    found = trained(tmp_path)
    weights = load_file(found.path)

    assert all(torch.equal(weights[name], tensor) for name, tensor in found.module.state_dict().items())


def test_those_who_ask_at_once_wait_for_one(tmp_path):
    epochs = []

    def ask(_):
        return trained(tmp_path, "standard:epochs=2", on_epoch=lambda epoch, plan: epochs.append(epoch)).path

    with ThreadPoolExecutor(3) as pool:
        paths = [*pool.map(ask, range(3))]

    assert len(set(paths)) == 1
    assert len(epochs) == 2


def test_an_interrupted_training_leaves_nothing_that_looks_trained(tmp_path):
    def interrupt(epoch, plan):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, on_epoch=interrupt)

    assert not list(tmp_path.glob("*.safetensors"))
    assert trained(tmp_path).path.exists()
