"""The model zoo: properties of every architecture, and figures of the papers."""

import copy
import importlib
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robust.attacks.layout import InputPart, Layout
from robust.attacks.registry import Registry
from robust.models.format import Terms
from robust.models.load import get_builder, load
from robust.models.registry import ARCHITECTURES, UnfitError
from robust.models.spec import ModelSpec
from robust.models.zoo._preact import Block

IMAGES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (28, 28), (2, 30, 21), (3, 1, 1)]
OTHERS = [(12,), (2, 3, 4, 5)]
# Smaller than their defaults, so that they are quick.
SMALL = {
    "preactresnet18": {"width": 8},
    "wideresnet": {"depth": 10, "width": 1},
    "vit": {"width": 24, "depth": 2},
    "unet": {"width": 4},
}
ANY_SHAPE = {"mlp"}
MAPS = {"unet"}  # which answer every pixel
SEVERAL = {"fusion"}  # which take several inputs: their tests are at the end
NAMES = [name for name in ARCHITECTURES.names() if name not in SEVERAL]
FITTING = [(name, shape) for name in NAMES for shape in IMAGES + OTHERS * (name in ANY_SHAPE)]


def make(name, shape, classes=5, **options):
    torch.manual_seed(0)
    return ARCHITECTURES.get(name)(shape, classes, **{**SMALL.get(name, {}), **options})


@pytest.mark.parametrize(("name", "shape"), FITTING)
def test_an_answer_is_logits_of_the_inputs_alone(name, shape):
    module, x = make(name, shape).eval(), torch.rand(4, *shape)

    logits = module(x)
    assert logits.shape == (4, 5, *(shape[-2:] if name in MAPS else ()))
    assert torch.equal(module(x), logits)
    torch.testing.assert_close(module(x[1:2]), logits[1:2])


@pytest.mark.parametrize(("name", "shape"), FITTING)
def test_a_gradient_reaches_every_number_of_the_input(name, shape):
    module, x = make(name, shape).eval(), torch.rand(8, *shape, requires_grad=True)

    (grad,) = torch.autograd.grad(module(x).square().sum(), x)
    assert (grad.abs().sum(0) > 0).all()


@pytest.mark.parametrize(("name", "shape"), FITTING)
def test_a_few_steps_of_training_lower_the_loss(name, shape):
    module, x = make(name, shape), torch.rand(16, *shape)
    y = torch.arange(16) % 5
    y = y[:, None, None].expand(16, *shape[-2:]) if name in MAPS else y
    optimiser = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(6):
        losses.append(F.cross_entropy(module(x), y))
        optimiser.zero_grad()
        losses[-1].backward()
        assert all(p.grad is not None for p in module.parameters())
        optimiser.step()

    assert losses[-1] < losses[0]


@pytest.mark.parametrize("shape", OTHERS)
@pytest.mark.parametrize("name", [name for name in NAMES if name not in ANY_SHAPE])
def test_what_has_no_rows_or_columns_is_refused(name, shape):
    with pytest.raises(UnfitError, match=rf"^needs .*\(channels, .*, got inputs of \[{shape[0]}"):
        make(name, shape)


@pytest.mark.parametrize("name", NAMES)
def test_the_random_stream_decides_the_weights(name):
    first, again = make(name, (1, 8, 8)).state_dict(), make(name, (1, 8, 8)).state_dict()

    assert all(torch.equal(first[key], again[key]) for key in first)


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_answers_the_same(name):
    module, x = make(name, (1, 8, 8)).eval(), torch.rand(2, 1, 8, 8)

    assert torch.equal(copy.deepcopy(module)(x), module(x))


@pytest.mark.parametrize("value", [0, -1, 2.0, "2", True])
@pytest.mark.parametrize("name", NAMES)
def test_a_width_that_is_none_is_reported(name, value):
    with pytest.raises(UnfitError, match=r"^width must be a whole number of at least 1, got "):
        make(name, (1, 8, 8), width=value)


@pytest.mark.parametrize(
    ("name", "options", "params"),
    [
        ("preactresnet18", {}, 11_172_170),
        ("wideresnet", {"depth": 28, "width": 10}, 36_479_194),
        ("wideresnet", {"depth": 34, "width": 10}, 46_160_474),
        ("wideresnet", {"depth": 16, "width": 8}, 10_961_370),
    ],
)
def test_published_networks_have_their_published_size(name, options, params):
    with torch.device("meta"):
        module = ARCHITECTURES.get(name)((3, 32, 32), 10, **options)

    assert sum(p.numel() for p in module.parameters()) == params


def test_a_preactresnet18_has_18_layers_beside_its_shortcuts():
    layers = [
        key
        for key, module in make("preactresnet18", (3, 32, 32)).named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and not key.endswith("shortcut")
    ]

    assert len(layers) == 18


@pytest.mark.parametrize("depth", [10, 16, 28, 40])
def test_a_wideresnet_has_as_many_convolutions_as_it_is_deep(depth):
    module = make("wideresnet", (3, 32, 32), depth=depth, width=2)

    assert sum(isinstance(part, nn.Conv2d) for part in module.modules()) == depth


@pytest.mark.parametrize(("name", "sizes"), [("preactresnet18", [32, 16, 8, 4]), ("wideresnet", [32, 16, 8])])
def test_each_stage_after_the_first_halves_the_image(name, sizes):
    module, seen = make(name, (3, 32, 32)), {}
    for block in module.blocks:
        block.register_forward_hook(lambda block, x, y: seen.update({y.shape[2:]: None}))
    module.stem.register_forward_hook(lambda stem, x, y: seen.update({y.shape[2:]: None}))
    module(torch.rand(2, 3, 32, 32))

    assert [*seen] == [(size, size) for size in sizes]


@pytest.mark.parametrize("depth", [4, 9, 29, 30])
def test_a_depth_that_no_wide_residual_network_has_is_reported(depth):
    with pytest.raises(UnfitError, match=f"^depth must be 10, 16, 22, 28, 34 or another 6k [+] 4, got {depth}$"):
        make("wideresnet", (3, 32, 32), depth=depth)


@pytest.mark.parametrize(("skip", "share"), [(True, 1), (False, 0)])
def test_a_block_carries_its_input_unless_it_has_no_skip_connection(skip, share):
    block, x = Block(4, 4, 1, skip).eval(), torch.rand(2, 4, 8, 8)
    nn.init.zeros_(block.conv2.weight)

    assert torch.equal(block(x), share * x)


def test_without_skip_connections_there_are_no_shortcuts():
    with_, without = ({*make("preactresnet18", (3, 32, 32), skip=skip).state_dict()} for skip in (True, False))

    assert with_ - without == {f"blocks.{i}.shortcut.weight" for i in (2, 4, 6)}
    assert without < with_


def test_a_shortcut_starts_at_the_activated_input():
    """Share the pre-activation where the shape changes, as in the paper's code."""
    block, x = Block(4, 8, 2, True).eval(), torch.rand(2, 4, 8, 8) - 0.5
    nn.init.zeros_(block.conv2.weight)

    torch.testing.assert_close(block(x), block.shortcut(torch.relu(block.norm1(x))))


def test_a_row_of_an_lstm_is_one_of_the_image_with_all_its_channels():
    module, x = make("lstm", (3, 6, 5)), torch.rand(2, 3, 6, 5)
    rows = torch.stack([torch.cat([x[:, c, r] for c in range(3)], 1) for r in range(6)], 1)

    assert module.lstm.input_size == 15
    torch.testing.assert_close(module(x), module.head(module.lstm(rows)[0][:, -1]))


def test_a_third_party_adds_an_architecture_through_an_entry_point(tmp_path, monkeypatch):
    (tmp_path / "third_party_models.py").write_text(
        "from torch import nn\ndef net(shape, classes, bias=True): return nn.Linear(*shape, classes, bias)\n"
    )
    dist = tmp_path / "third_party_models-1.0.dist-info"
    dist.mkdir()
    (dist / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party-models\nVersion: 1.0\n")
    (dist / "entry_points.txt").write_text("[robust.models]\nheron-3 = third_party_models:net\n")
    monkeypatch.syspath_prepend(tmp_path)
    for place in ("spec", "load"):
        monkeypatch.setattr(f"robust.models.{place}.ARCHITECTURES", Registry("architecture", (), "robust.models"))
    importlib.invalidate_caches()

    spec = ModelSpec.parse("zoo:heron-3(bias=False)", tmp_path)
    subject = load(spec, None, tmp_path, Terms((7,), 2))
    del sys.modules["third_party_models"]
    assert (subject.name, subject.params) == ("heron-3-biasfalse", 14)


@pytest.mark.parametrize("shape", [(1, 28, 28), (28, 28)])
def test_torchvision_sees_grey_images_in_colour(tmp_path, shape):
    spec, x = ModelSpec.parse("torchvision:resnet18", tmp_path), torch.rand(2, *shape)
    grey = get_builder(spec, None, tmp_path, Terms(shape, 4))().eval()
    colour = get_builder(spec, None, tmp_path, Terms((3, 28, 28), 4))().eval()
    colour.load_state_dict(grey.state_dict())

    assert grey(x).shape == (2, 4)
    assert torch.equal(grey(x), colour(x.reshape(2, 1, 28, 28).repeat(1, 3, 1, 1)))
    assert torch.equal(copy.deepcopy(grey)(x), grey(x))


def test_torchvision_takes_options(tmp_path):
    spec = ModelSpec.parse("torchvision:squeezenet1_1(dropout=0.25)", tmp_path)

    dropout = get_builder(spec, None, tmp_path, Terms((3, 64, 64), 4))().classifier[0]
    assert (spec.name, dropout.p) == ("squeezenet1_1-dropout0.25", 0.25)


LAYOUT = Layout((InputPart("image", (1, 8, 8)), InputPart("meta", (3,)), InputPart("kind", (), "int64")))


def test_several_inputs_are_taken_by_name_or_by_position_and_each_counts():
    module = make("fusion", LAYOUT, width=4).eval()
    parts = {"image": torch.rand(4, 1, 8, 8), "meta": torch.rand(4, 3), "kind": torch.arange(4)}

    logits = module(**parts)
    assert logits.shape == (4, 5)
    assert torch.equal(module(*parts.values()), logits)
    for name, part in parts.items():
        assert not torch.equal(module(**parts | {name: part.flip(0)}), logits)


def test_a_single_input_is_refused_by_what_takes_several():
    with pytest.raises(UnfitError, match="is for several inputs"):
        make("fusion", (1, 8, 8))
