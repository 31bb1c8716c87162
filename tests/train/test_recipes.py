"""Every recipe of the registry, those of third parties included, on a part of digits."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from robust.attacks import PGD, LpThreat, Rng, Task, assail, run_steps
from robust.data.dataset import DATA
from robust.models.normalize import add_normalization
from robust.train.craft import craft_mode
from robust.train.factory import read_recipe
from robust.train.loop import fit
from robust.train.recipe import RECIPES, WRAPPERS, start_recipe
from robust.train.recipes._shared import divergence_from
from robust.train.recipes.trades import Trades
from robust.train.teacher import load_teacher

THREAT = LpThreat.parse("linf:0.15")

WRAPPED = ["pgd-at+awp", "trades+awp", "pgd-at+ema", "pgd-at+swa", "trades+awp+ema"]
NAMES = [*RECIPES.names(), *WRAPPED]


def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 10))


@pytest.fixture(scope="module")
def data():
    learn, _ = DATA.get("digits").load("train").draw(400, seed=0)
    test, _ = DATA.get("digits").load("test").draw(200, seed=0)
    return learn, torch.from_numpy(test.x), torch.from_numpy(test.y)


def trained(recipe, learn, weights=None):
    """Train the network by a recipe, from these weights if there are any."""
    net = network()
    if weights is not None:
        net.load_state_dict(weights)
    net.load_state_dict(fit(net, read_recipe(recipe), learn, THREAT).weights)
    return net.eval()


@pytest.fixture(scope="module")
def whole(data):
    """Train with `standard` and with `pgd-at` from the start to the end: the networks by recipe."""
    return {name: trained(f"{name}:epochs=12:lr=0.2", data[0]) for name in ("standard", "pgd-at")}


@pytest.fixture(scope="module")
def teacher(whole, tmp_path_factory):
    """Write the weights of pgd-at, and return what a distillation adds to its spec."""
    path = tmp_path_factory.mktemp("teacher") / "weights.safetensors"
    save_file(whole["pgd-at"].state_dict(), path)
    return dict.fromkeys(("ard", "distill"), f":teacher={path}")


def accuracy(net, x, y):
    return (net(x).argmax(1) == y).float().mean().item()


def loss_under_attack(net, x, y):
    task = Task.of(net, x, y, THREAT, Rng.of(0, torch.arange(len(x))))
    return F.cross_entropy(net(run_steps(PGD(), task)), y).item()


def test_a_whole_training_by_pgd_at_is_at_least_10_points_more_robust_than_standard(data, whole):
    _, x, y = data
    robust = {name: (~assail(net, PGD(), x, y, THREAT).adversarial).float().mean() for name, net in whole.items()}

    assert min(accuracy(net, x, y) for net in whole.values()) > 0.6
    assert robust["pgd-at"] > robust["standard"] + 0.10


@pytest.mark.parametrize("name", NAMES)
def test_two_epochs_of_a_robust_recipe_make_a_standard_network_more_robust(name, data, whole, teacher):
    learn, x, y = data
    net = trained(f"{name}:epochs=2:lr=0.02{teacher.get(name, '')}", learn, whole["standard"].state_dict())

    assert accuracy(net, x, y) > 0.6
    fell = loss_under_attack(net, x, y) < 0.97 * loss_under_attack(whole["standard"], x, y)
    helped = name not in ("standard", "corrupted")  # to learn from a robust teacher helps
    assert name == "corrupted" or fell == helped


def test_every_wrapper_is_among_those():
    assert set(WRAPPERS.names()) == {word for name in WRAPPED for word in name.split("+")[1:]}


@pytest.fixture
def run_and_task(data, teacher):
    """Return a function: the run of a recipe on an untrained network, and a task of 16 samples."""

    def start(name):
        learn, net = data[0], network().train()
        x, y, index = (torch.from_numpy(array[:16]) for array in (learn.x, learn.y, learn.index))
        method = read_recipe(name + teacher.get(name, ""))
        return start_recipe(method.recipe, net), Task.of(net, x, y, THREAT, Rng.of(0, index))

    return start


@pytest.mark.parametrize("name", RECIPES.names())
def test_the_loss_of_a_batch_is_a_finite_scalar_that_reaches_every_parameter(name, run_and_task):
    recipe_run, task = run_and_task(name)
    net = task.model

    with craft_mode(net, "eval"):
        x = recipe_run.inputs(task)
    loss = recipe_run.loss(task, x, F.cross_entropy)
    loss.backward()

    assert loss.shape == ()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())
    assert net.training


@pytest.mark.parametrize("name", RECIPES.names())
def test_the_inputs_are_within_the_bounds_and_of_projecting_recipes_within_the_ball(name, run_and_task):
    recipe_run, task = run_and_task(name)
    with craft_mode(task.model, "eval"):
        x = recipe_run.inputs(task)

    assert x.shape == task.x.shape
    assert ((x >= 0) & (x <= 1)).all()
    assert name in ("n-fgsm", "corrupted") or THREAT.admits(x.detach(), task.x).all()


def test_crafting_leaves_mode_and_batch_norm_as_they_were(data):
    learn, _, _ = data
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 10)).train()
    x, y, index = (torch.from_numpy(array[:16]) for array in (learn.x, learn.y, learn.index))
    before = net[1].running_mean.clone()

    with craft_mode(net, "eval"):
        x_adv = run_steps(PGD(steps=3), Task.of(net, x, y, THREAT, Rng.of(0, index)))

    assert THREAT.admits(x_adv, x).all()
    assert not x_adv.requires_grad
    assert torch.equal(net[1].running_mean, before)
    assert all(module.training for module in net.modules())


def test_what_free_carries_over_was_not_cut_to_the_last_inputs_box():
    """Clip the perturbation to eps and the inputs to the box: algorithm 1 of 1904.12843."""
    net, y = network().eval(), torch.zeros(8, dtype=torch.int64)
    dark, grey = (torch.full((8, 1, 8, 8), shade) for shade in (0.0, 0.5))
    crafter = start_recipe(RECIPES.get("free")(), net)
    first = Task.of(net, dark, y, THREAT, Rng.of(0, torch.arange(8)))
    x = crafter.inputs(first)
    crafter.loss(first, x, F.cross_entropy).backward()
    crafter.learn(first, x)

    assert (crafter.inputs(first) >= 0).all()
    second = crafter.inputs(Task.of(net, grey, y, THREAT, Rng.of(0, torch.arange(8))))
    torch.testing.assert_close(second, grey + 0.15 * x.grad.sign(), rtol=0, atol=1e-5)
    assert (x.grad < 0).float().mean() > 0.2


def test_trades_with_beta_zero_is_standard_training(data):
    learn, _, _ = data
    net = network().eval()
    x, y, index = (torch.from_numpy(array[:16]) for array in (learn.x, learn.y, learn.index))
    task = Task.of(net, x, y, THREAT, Rng.of(0, index))

    torch.testing.assert_close(Trades(beta=0.0).loss(task, x, F.cross_entropy), F.cross_entropy(net(x), y))


def test_the_divergence_is_that_of_the_two_answers():
    a, b = torch.tensor([[1.0, 0.0, -1.0]]), torch.tensor([[0.5, 0.5, 0.0]])
    p, q = a.softmax(1), b.softmax(1)

    torch.testing.assert_close(divergence_from(a)(b, torch.zeros(1)), (p * (p / q).log()).sum(1))
    assert divergence_from(a)(a, torch.zeros(1)) == 0


def test_a_smaller_student_learns_from_a_teacher_of_another_architecture(data, whole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_file(whole["pgd-at"].state_dict(), tmp_path / "large.safetensors")
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def large():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 10))\n"
    )
    learn, x, y = data
    torch.manual_seed(0)
    student = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    recipe = read_recipe("distill:teacher=large.safetensors:teacher_arch=net.py:large:epochs=12:lr=0.2")
    student.load_state_dict(fit(student, recipe, learn, THREAT).weights)

    assert accuracy(student.eval(), x, y) > 0.6
    agreement = (student(x).argmax(1) == whole["pgd-at"](x).argmax(1)).float().mean()
    assert agreement > accuracy(student, x, y) - 0.05


def test_a_teacher_is_normalised_as_its_student(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("from torch import nn\ndef tiny():\n    return nn.Linear(2, 2)\n")
    teacher, student = nn.Linear(2, 2), add_normalization(nn.Linear(2, 2), "0.5/0.25")
    save_file(teacher.state_dict(), tmp_path / "tiny.safetensors")
    x = torch.rand(3, 2)

    loaded = load_teacher("tiny.safetensors", "net.py:tiny", student)

    assert torch.allclose(loaded(x), teacher((x - 0.5) / 0.25), atol=1e-6)
