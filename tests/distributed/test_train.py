"""Several processes train as one does with the same batches, and go on with what another number of them began."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from robust.attacks import LpThreat
from robust.data.dataset import DATA
from robust.distributed.ranks import ALONE
from robust.train import loop
from robust.train.cache import train
from robust.train.factory import read_recipe
from robust.train.loop import fit
from robust.train.recipe import RECIPES
from robust.train.setup import FitOptions, TrainingSpec
from tests.distributed.together import together

THREAT = LpThreat.parse("linf:0.15")
STEPS = 20

# Batches of 17, so that shares differ; what a batch's company must not change has no batch norm and no dropout.
SHARED = "batch=17:schedule=constant"
WORDS = {
    **{name: name for name in RECIPES.names()},
    "awp": "trades+awp",
    "ema": "pgd-at+ema",
    "swa": "pgd-at+swa:swa_start=0",
    "options": "pgd-at:l1=0.001:clip=1:smoothing=0.1:sampling=balanced",
    "weights": "standard:class_weights=balanced",
    "images": "standard:augment=crop-flip",
}


def network(norm=False, dropout=0.0):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        between = [nn.BatchNorm1d(16)] if norm else []
        return nn.Sequential(
            nn.Flatten(), nn.Linear(64, 16), *between, nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 10)
        )


class Wide(nn.Module):
    """A model in float64, since rounding errors grow from step to step."""

    def __init__(self, dtype=torch.float64):
        super().__init__()
        self.inner = network().to(dtype)
        self.dtype = dtype

    def forward(self, x):
        return self.inner(x.to(self.dtype))


def samples(n):
    return DATA.get("digits").load("train").draw(n, seed=0)[0]


class Stopped(Exception):  # noqa: N818 - it is no error
    """The moment comes."""


def stop_after(steps):
    """A way to descend that ends the training then."""
    real, taken = loop._run_step, []

    def descend(*args):
        if len(taken) == steps:
            raise Stopped
        taken.append(real(*args))
        return taken[-1]

    return descend


def first_steps(ranks, word):
    """The weights, all losses and means after the first steps of a training."""
    module, seen = Wide(torch.float32 if "class_weights" in word else torch.float64), []  # the weights are in float32
    with pytest.MonkeyPatch.context() as patched:
        start = loop.Training.start
        patched.setattr(loop.Training, "start", lambda *args: seen.append(start(*args)) or seen[-1])
        patched.setattr(loop, "_run_step", stop_after(STEPS))
        with pytest.raises(Stopped):
            fit(module, read_recipe(word), samples(420), THREAT, options=FitOptions(ranks=ranks))
    (training,) = seen
    return {
        "weights": {name: value.tolist() for name, value in training.kept_module.state_dict().items()},
        "lengths": training.lengths.total.tolist(),
        "losses": training.losses,
    }


def all_first_steps(ranks, words):
    return {name: first_steps(ranks, word) for name, word in words.items()}


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    teacher = tmp_path_factory.mktemp("teacher") / "weights.safetensors"
    save_file(Wide().state_dict(), teacher)
    given = {**WORDS, **{name: f"{name}:teacher={teacher}" for name in ("ard", "distill")}}
    return {name: f"{word}:{SHARED}" for name, word in given.items()}


@pytest.fixture(scope="module")
def alone(words):
    return all_first_steps(ALONE, words)


@pytest.fixture(scope="module")
def two(words):
    return together(2, all_first_steps, words)


@pytest.mark.parametrize("name", WORDS)
def test_the_first_steps_are_those_of_one_process(name, alone, two):
    for found in two:
        for key in ("lengths", "losses"):
            assert found[name][key] == pytest.approx(alone[name][key], rel=1e-5, abs=1e-7)
        for layer, value in found[name]["weights"].items():
            wanted = torch.tensor(alone[name]["weights"][layer])
            torch.testing.assert_close(torch.tensor(value), wanted, rtol=1e-5, atol=1e-7)


# What keeps a state: momenta, a mean, and a perturbation for each place of a batch.
KEPT = ["trades+ema:steps=1:epochs=2:batch=17", "free:replays=2:epochs=2:batch=17"]


def stopped(ranks, word, saved):
    """Train, and stop in the second epoch, after a save within it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loop, "SAVE_EVERY", 0.0)
        patched.setattr(loop, "_run_step", stop_after(16 * (1 + word.count("replays"))))
        with pytest.raises(Stopped):
            fit(Wide(), read_recipe(word), samples(200), THREAT, options=FitOptions(saved=saved, ranks=ranks))


def _plain(found):
    """Return the weights and the curve as plain lists, to be sent to another process."""
    weights = {name: value.tolist() for name, value in found.weights.items()}
    return weights, [epoch.card_fields() for epoch in found.curve]


def gone_on(ranks, word, saved=None):
    found = fit(Wide(), read_recipe(word), samples(200), THREAT, options=FitOptions(saved=saved, ranks=ranks))
    return _plain(found)


def for_each(ranks, work, words, folder):
    return [work(ranks, word, folder / f"{k}.pt") for k, word in enumerate(words)]


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_it_goes_on_with_another_number_of_processes(before, after, tmp_path):
    def run(size, work):
        return [for_each(ALONE, work, KEPT, tmp_path)] if size == 1 else together(size, for_each, work, KEPT, tmp_path)

    run(before, stopped)
    assert len([*tmp_path.glob("*.pt")]) == len(KEPT)
    for each in run(after, gone_on):
        for word, (weights, curve) in zip(KEPT, each, strict=True):
            wanted, expected = gone_on(ALONE, word)
            for name, value in weights.items():
                torch.testing.assert_close(torch.tensor(value), torch.tensor(wanted[name]), rtol=1e-5, atol=1e-7)
            assert [epoch["robust"] for epoch in curve] == [epoch["robust"] for epoch in expected]


def with_norm(ranks):
    """Check only that all ranks agree, since batch norm depends on the other samples of a batch."""
    word = "pgd-at+swa:steps=1:epochs=2:batch=17:swa_start=0.5:augment=crop-flip"
    found = fit(
        network(norm=True, dropout=0.2), read_recipe(word), samples(200), THREAT, options=FitOptions(ranks=ranks)
    )
    return _plain(found)


def refused(ranks, word):
    with pytest.raises(ValueError, match=r"\w+") as caught:
        fit(network(), read_recipe(word), samples(200), THREAT, options=FitOptions(ranks=ranks))
    return str(caught.value)


def kept(ranks, folder):
    epochs = []
    spec = TrainingSpec(network, "standard:epochs=2", DATA.get("digits"), THREAT, 0, "net")
    own = folder / str(ranks.rank)  # each as on a machine of its own
    found = train(spec, own, on_epoch=lambda epoch, plan: epochs.append(epoch.number), ranks=ranks)
    return found.path, found.card["processes"], found.module.state_dict()["1.bias"].tolist(), epochs


def some(ranks, folder):
    words = ("standard:batch=3", "standard:sync_norm=true")
    return {"norm": with_norm(ranks), "refused": [refused(ranks, word) for word in words], "kept": kept(ranks, folder)}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    return folder, together(2, some, folder)


def test_with_batch_norm_and_dropout_all_come_to_the_same_weights(both):
    first, second = (each["norm"] for each in both[1])

    assert first == second
    assert torch.isfinite(torch.tensor(first[0]["1.weight"])).all()


def test_what_cannot_be_shared_is_refused_on_all(both):
    for each in both[1]:
        small, norm = each["refused"]
        assert small.startswith("a batch of 3 is too small for 2 processes, which need two samples each")
        assert norm.startswith("sync_norm: batch norm over processes needs a GPU for each")


def test_what_they_train_is_kept_once_and_found_by_one(both):
    folder, found = both
    (path, processes, bias, epochs), (_, _, other, elsewhere) = (each["kept"] for each in found)

    assert (processes, epochs, elsewhere) == (2, [1, 2], [1, 2])
    assert bias == other
    assert not [*(folder / "1").rglob("*.safetensors")]
    assert kept(ALONE, folder) == (path, 2, bias, [])
