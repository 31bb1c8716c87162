import importlib
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from robust.attacks import LpThreat
from robust.data.dataset import DATA
from robust.train.cache import train
from robust.train.recipe import RECIPES
from robust.train.setup import TrainingSpec
from tests.train.processes import CONTEXT

DIGITS = DATA.get("digits")
THREAT = LpThreat.parse("linf:0.1")


def build():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def trained(folder: Path, recipe="standard:epochs=1", *, build=build, threat=THREAT, seed=0, source=None, **given):
    return train(TrainingSpec(build, recipe, DIGITS, threat, seed, "net", source), folder, **given)


def test_what_is_asked_for_again_is_not_trained_again(tmp_path):
    epochs = []
    first = trained(tmp_path, on_epoch=lambda epoch, plan: epochs.append(epoch))
    second = trained(tmp_path, on_epoch=lambda epoch, plan: epochs.append(epoch))

    assert len(epochs) == 1
    assert first.path == second.path
    assert torch.equal(first.module[1].weight, second.module[1].weight)


class Doubled(nn.Module):
    """A module with the same text and weights as `build` makes, and other answers."""

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


def ask(folder):
    """Train in a process of its own; return (the path of the weights, the number of epochs that were trained)."""
    epochs = []
    path = trained(folder, "standard:epochs=2", on_epoch=lambda epoch, plan: epochs.append(epoch)).path
    return path, len(epochs)


def test_processes_that_ask_at_once_wait_for_one(tmp_path):
    with ProcessPoolExecutor(2, CONTEXT) as pool:
        answers = [*pool.map(ask, [tmp_path, tmp_path])]

    assert len({path for path, _ in answers}) == 1
    assert sorted(epochs for _, epochs in answers) == [0, 2]


class ZeroHead(nn.Module):
    """A module that answers zero whatever comes before its head, until it is trained."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.head = inner, nn.Linear(64, 10)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x):
        return self.head(self.inner(x.flatten(1)))

    def __str__(self):
        return "ZeroHead"


def test_a_change_behind_a_head_of_zeros_is_another_model(tmp_path):
    paths = {trained(tmp_path, build=lambda f=f: ZeroHead(f)).path for f in (torch.relu, torch.tanh)}

    assert len(paths) == 2


def test_another_content_of_the_source_is_another_model(tmp_path):
    source = tmp_path / "net.py"
    paths = []
    for text in ("one", "two", "one"):
        source.write_text(text)
        paths.append(trained(tmp_path, source=source).path)

    assert paths[0] == paths[2] != paths[1]


OWN = """
from dataclasses import dataclass
from robust.train.recipes.standard import Standard

@dataclass(frozen=True)
class Own(Standard):
    pass
"""


def test_another_content_of_a_recipe_of_ones_own_is_another_recipe(tmp_path, monkeypatch):
    file = tmp_path / "own_recipe.py"
    file.write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    paths = []
    with RECIPES.adding("own", importlib.import_module("own_recipe").Own):
        for text in ("", "# a change", ""):
            file.write_text(OWN + text)
            paths.append(trained(tmp_path, "own:epochs=1").path)

    assert paths[0] == paths[2] != paths[1]


def test_tied_weights_are_kept(tmp_path):
    def tied():
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10))
        net[2].weight = net[1].weight
        return net

    module = trained(tmp_path, build=tied).module
    assert module[2].weight is module[1].weight


def test_an_interrupted_training_leaves_nothing_that_looks_trained(tmp_path):
    def interrupt(epoch, plan):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, on_epoch=interrupt)

    assert not list(tmp_path.glob("*.safetensors"))
    assert trained(tmp_path).path.exists()


def test_the_content_of_the_files_that_options_name_is_in_the_key(tmp_path):
    path, paths = tmp_path / "weights.safetensors", []
    for seed in (1, 2, 1):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            save_file(build().state_dict(), path)
        paths += [trained(tmp_path, f"{word}={path}:epochs=1").path for word in ("ard:teacher", "standard:pretrained")]

    assert paths[:2] == paths[4:]
    assert len(set(paths)) == 4


def test_a_teacher_of_a_python_file_is_known_by_its_weights(tmp_path):
    """Keep the Python file as it is, and change the weights that it loads."""
    (tmp_path / "net.py").write_text(
        "from pathlib import Path\nfrom safetensors.torch import load_file, save_file\nfrom torch import nn\n"
        "def make():\n    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))\n"
        "    net.load_state_dict(load_file(Path(__file__).with_name('weights.safetensors')))\n    return net\n"
    )
    paths = []
    for seed in (1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            net = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        save_file(net.state_dict(), tmp_path / "weights.safetensors")
        paths.append(trained(tmp_path, f"ard:teacher={tmp_path / 'net.py'}:epochs=1").path)

    assert paths[0] != paths[1]


def test_a_teacher_that_cannot_be_had_is_reported(tmp_path):
    save_file({"other": torch.zeros(1)}, tmp_path / "weights.safetensors")

    with pytest.raises(ValueError, match=r"teacher=.*weights do not fit.*say what it is: teacher_arch="):
        trained(tmp_path, f"ard:teacher={tmp_path / 'weights.safetensors'}:epochs=1")


def test_an_interrupted_training_goes_on(tmp_path):
    def interrupt(epoch, plan):
        raise KeyboardInterrupt

    epochs = []
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, "standard:epochs=3", on_epoch=interrupt)
    found = trained(tmp_path, "standard:epochs=3", on_epoch=lambda epoch, plan: epochs.append(epoch.number))

    assert epochs == [2, 3]
    assert len(found.card["curve"]) == 3
    assert not [*tmp_path.glob(".unfinished/*.pt")]


def test_the_curves_lie_beside_the_weights(tmp_path):
    path = trained(tmp_path, "pgd-at:steps=1:epochs=2").path

    assert path.with_suffix(".csv").read_text().count("\n") == 3
    assert path.with_suffix(".gradients.csv").read_text().startswith("epoch,1\n1,")
    assert path.with_suffix(".svg").read_text().startswith("<svg ")


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def change(**fields):
    def write(path):
        card = path.with_suffix(".json")
        card.write_text(json.dumps(json.loads(card.read_text()) | fields))

    return write


DAMAGES = {
    "a flipped bit": flip,
    "half of the weights": lambda path: path.write_bytes(path.read_bytes()[:-200]),
    "no weights": lambda path: path.write_bytes(b""),
    "no card": lambda path: path.with_suffix(".json").unlink(),
    "half a card": lambda path: path.with_suffix(".json").write_text('{"key": '),
    "a deep card": lambda path: path.with_suffix(".json").write_text("[" * 10**5),
    "a card of another training": change(key="0" * 64),
    "a card with numbers for notes": change(notes=[1]),
    "a card with a text for the best epoch": change(best="93 %"),
    "a card with a huge time": change(minutes=10**400),
    "a card with infinite time": change(minutes=float("inf")),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_is_damaged_is_trained_again(tmp_path, damage):
    first = trained(tmp_path)
    damage(first.path)
    epochs = []
    again = trained(tmp_path, on_epoch=lambda epoch, plan: epochs.append(epoch))

    assert len(epochs) == 1
    assert torch.equal(first.module[1].weight, again.module[1].weight)
    assert again.card["minutes"] < 1
