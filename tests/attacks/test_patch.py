"""Patches: their words, their geometry, and the attacks, beside every patch of tiny pictures."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from robust.attacks import BestOf, PatchThreat, Rng, assail, make
from robust.attacks.grammar.patch import parse_patch
from robust.attacks.registry import ATTACKS
from robust.attacks.suite import read_suite
from robust.attacks.testing.models import inputs, network
from robust.attacks.words import canonical_threat, explain_threat
from tests.oracles.patches import highest, on_grid

N = 60


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("patch:5x5", "patch:5x5"),
        ("patch: 05 x 3", "patch:5x3"),
        ("patch:5X3", "patch:5x3"),
        ("patch:20.0%x30%", "patch:20%x30%"),
        ("patch:3x10%", "patch:3x10%"),
        ("patch:2%", "patch:2%"),
        ("patch:5x5+linf:2/51", "patch:5x5+linf:10/255"),
    ],
)
def test_a_patch_is_spelled_one_way(text, spelled):
    assert canonical_threat(text) == spelled


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("patch:5", "'patch:5': write patch:HxW, as patch:5x5"),
        ("patch:", "'patch:': write patch:HxW"),
        ("patch", "'patch': write patch:HxW"),
        ("patch:5x5x5", "write patch:HxW"),
        ("patch:-5x5", "write patch:HxW"),
        ("patch:5x1e9", "write patch:HxW"),
        ("patch:5.5x5", "write patch:HxW"),
        ("patch:0x5", "a patch has at least one pixel, got 0"),
        ("patch:0%", "a patch has at least one pixel, got 0%"),
        ("patch:101%x5", "at most 100 per cent, got 101%"),
        ("patch:" + "9" * 40 + "x5", "write patch:HxW"),
        ("patsch:5x5", "unknown threat model 'patsch', did you mean 'patch'?"),
        ("image=patch:5x5;meta=linf:0.1", "a part's threat is a ball, of linf, l2, l1; a patch is for one input"),
        ("image=l0:2;meta=linf:0.1", "a part's threat is a ball, of linf, l2, l1; a number of pixels is for one input"),
        ("image=corruption:3", "a part's threat is a ball, of linf, l2, l1; a corruption is for one input"),
        ("image=spatial:rotate=10", "a part's threat is a ball, of linf, l2, l1; a turn is for one input"),
    ],
)
def test_a_wrong_word_is_one_line(text, line):
    with pytest.raises(ValueError, match=re.escape(line)) as error:
        canonical_threat(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "rows", "columns", "pixels"),
    [
        ("patch:5x3", 28, 28, (5, 3)),
        ("patch:20%x30%", 28, 28, (5, 8)),  # 5.6 and 8.4
        ("patch:1%x1%", 28, 28, (1, 1)),
        ("patch:2%", 28, 28, (3, 3)),  # of 15.68 pixels
        ("patch:2%", 224, 224, (31, 31)),
        ("patch:100%x1", 8, 8, (8, 1)),
    ],
)
def test_shares_are_rounded_down_to_pixels(text, rows, columns, pixels):
    assert parse_patch(text).fit(rows, columns) == pixels


@pytest.mark.parametrize(
    ("text", "shape", "line"),
    [
        ("patch:9x2", (1, 8, 8), "patch:9x2 is 9x2 pixels, and the inputs have 8x8; take less"),
        ("patch:100%", (1, 8, 8), "patch:100% is 8x8 pixels, and the inputs have 8x8; take less"),
        ("patch:2x2", (30,), "a patch is for images, whose last two axes are rows and columns; the inputs have the"),
    ],
)
def test_a_patch_that_does_not_fit_is_refused(text, shape, line):
    with pytest.raises(ValueError, match=re.escape(line)):
        PatchThreat.parse(text).admits(torch.zeros(1, *shape), torch.zeros(1, *shape))


def test_the_page_says_it_in_plain_words():
    told = explain_threat("patch:5x3+linf:0.1")

    assert told.startswith("One patch: within one window of 5x3 (rows x columns) every pixel may become anything")
    assert "a square of 2% of the pixels" in explain_threat("patch:2%")


def test_admitted_is_what_differs_within_one_window_and_the_bounds():
    threat, x = PatchThreat.parse("patch:2x3"), torch.full((6, 2, 5, 5), 0.5)
    moved = x.clone()
    moved[1, 0, 1:3, 2:5] = 1.0
    moved[2, 0, 1, 2], moved[2, 1, 2, 4] = 0.0, 1.0  # of two channels, in one window
    moved[3, 0, 1:4, 0] = 0.0  # three rows
    moved[4, 0, 0, 0], moved[4, 1, 0, 3] = 0.0, 0.0  # four columns
    moved[5, 0, 0, 0] = 1.1

    assert threat.admits(moved, x).tolist() == [True, True, True, False, False, False]
    moved[1, 0, 1, 3] = torch.nan
    assert not threat.admits(moved, x)[1]


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 1000), st.sampled_from([(), (1,), (3,), (2, 2)]))
def test_what_geometry_returns_is_admitted(height, width, seed, channels):
    threat = PatchThreat.parse(f"patch:{height}x{width}", -1.0, 2.0)
    rng = Rng.of(seed, torch.arange(8))
    x = 3 * rng.uniform(torch.zeros(8, *channels, 5, 6)) - 1
    grad, wild = rng.fold(1).normal(x), 4 * rng.fold(2).normal(x)
    sampled = threat.sample(x, rng.fold(3))

    for moved in (
        threat.project(wild, x),
        threat.step(x, grad, 0.3),
        threat.advance(sampled, grad, x, torch.linspace(0, 1, 8)),
        sampled,
    ):
        assert threat.admits(moved, x).all()
    assert torch.equal(threat.project(sampled, x), sampled)


def test_project_keeps_the_window_that_changed_most():
    threat, x = PatchThreat.parse("patch:2x2"), torch.zeros(1, 1, 4, 4)
    moved = x.clone()
    moved[0, 0, 0, 0], moved[0, 0, 2, 2], moved[0, 0, 3, 3] = 0.8, 0.6, 0.6  # 0.64 beside 0.72

    assert threat.project(moved, x)[0, 0].nonzero().tolist() == [[2, 2], [3, 3]]


def linear(classes, channels=1):
    layer = nn.Linear(channels * 16, classes).double().requires_grad_(False)
    layer.weight[:], layer.bias[:] = inputs(classes, (channels * 16,)) - 0.5, 0.1 * inputs(classes, (1,))[:, 0]
    return nn.Sequential(nn.Flatten(), layer)


def can_fall(model, x, y, size):
    """Return which samples some patch breaks, by the closed form."""
    weight, bias = model[1].weight.numpy().reshape(-1, *x.shape[1:]), model[1].bias.numpy()
    return np.array(
        [
            max(highest(weight[k] - weight[c], bias[k] - bias[c], z, size) for k in range(len(bias)) if k != c) > 0
            for z, c in zip(x.numpy(), y.tolist(), strict=True)
        ]
    )


EXACT = ["fgsm:loss=margin", "pgd:loss=margin:start=0:steps=2:stride=1", "apgd:loss=margin:steps=20", "lavan"]


@pytest.mark.parametrize("attack", [*EXACT, "quick-1"])
@pytest.mark.parametrize(("size", "channels"), [((1, 1), 1), ((2, 1), 1), ((2, 2), 3)])
def test_of_a_linear_model_of_two_classes_exactly_those_fall_that_can(attack, size, channels):
    model, x = linear(2, channels), inputs(N, (channels, 4, 4))
    y = model(x).argmax(1)
    truth = can_fall(model, x, y, size)

    assert truth.any()
    assert not truth.all()
    assert (run(attack, model, x, y, size) == truth).all()


@pytest.mark.parametrize("attack", ["lavan:targets=3", "fgsm:loss=margin:targets=3"])
def test_with_targets_it_is_exact_for_more_classes(attack):
    model, x = linear(4), inputs(N, (1, 4, 4))
    y = model(x).argmax(1)

    assert (run(attack, model, x, y, (1, 2)) == can_fall(model, x, y, (1, 2))).all()


def run(attack, model, x, y, size):
    """Return which samples an attack, or the stages of a suite for patches, breaks."""
    if attack in ("quick-1", "standard-1"):
        stages = [stage.attack for stage in read_suite(attack, Path()).stages if "patch" in stage.threats]
        attack = BestOf(tuple(map(make, stages)))
    threat = PatchThreat.parse(f"patch:{size[0]}x{size[1]}")
    return assail(model, make(attack) if isinstance(attack, str) else attack, x, y, threat).adversarial.numpy()


def test_on_a_network_nothing_is_missed_that_a_grid_of_all_patches_finds():
    model, x = network(16, 4), inputs(30, (1, 4, 4))
    y = model(x).argmax(1)

    def answer(z):
        return model(torch.from_numpy(z)).detach().numpy()

    values = (0.0, 0.25, 0.5, 0.75, 1.0)
    truth = np.array([on_grid(answer, z, c, (1, 2), values) for z, c in zip(x.numpy(), y.tolist(), strict=True)])

    assert 0.1 < truth.mean() < 0.9
    assert (run("quick-1", model, x, y, (1, 2)) >= truth).all()
    assert (run("lavan", model, x, y, (1, 2)) >= truth).mean() > 0.9


OF_PATCHES = [name for name in ATTACKS.names() if "patch" in getattr(ATTACKS.get(name), "families", ())]


@pytest.mark.parametrize("name", OF_PATCHES)
@pytest.mark.parametrize("shape", [(8, 8), (3, 8, 6), (2, 2, 5, 7)])
def test_an_attack_keeps_the_contract_for_images_of_any_shape(name, shape):
    x, threat = inputs(24, shape, torch.float32), PatchThreat.parse("patch:3x2")
    model = network(x[0].numel(), 10, torch.float32)
    y, attack = model(x).argmax(1), make(f"{name}:steps=12" if name not in ("fgsm",) else name)
    whole = assail(model, attack, x, y, threat, seed=4)
    part = assail(model, attack, x[10:15], y[10:15], threat, seed=Rng.of(4, torch.arange(10, 15)))

    assert whole.adversarial.any()
    assert threat.admits(whole.x_adv, x).all()
    assert (model(whole.x_adv).argmax(1) != y).equal(whole.adversarial)
    assert torch.equal(part.x_adv, whole.x_adv[10:15])


def test_what_is_for_patches_is_this():
    assert {"apgd", "bim", "fgsm", "lavan", "mifgsm", "noise", "patch-rs", "pgd"} <= {*OF_PATCHES}
    with pytest.raises(ValueError, match=r"square is for linf, l2, l1, the threat is patch; use patch-rs or noise$"):
        assail(
            lambda x: x, make("square"), torch.zeros(1, 1, 4, 4), torch.zeros(1).long(), PatchThreat.parse("patch:2x2")
        )


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ("lavan:steps=0", "steps must be at least 1"),
        ("lavan:stride=0", "stride, a share of the bounds, must be above 0 and at most 1, got 0"),
        ("lavan:places=0", "places must be at least 1"),
        ("patch-rs:loss=cee", "unknown loss 'cee'"),
    ],
)
def test_a_wrong_option_is_one_line(spec, line):
    with pytest.raises(ValueError, match=line):
        make(spec)


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
@pytest.mark.parametrize("name", ["lavan", "patch-rs"])
def test_few_steps_will_do(name, steps):
    model, x = linear(2), inputs(10, (1, 4, 4))

    found = assail(model, make(f"{name}:steps={steps}"), x, model(x).argmax(1), PatchThreat.parse("patch:2x2"))

    assert PatchThreat.parse("patch:2x2").admits(found.x_adv, x).all()
    assert (found.cost.forwards <= 10 * (steps + 1)).all()
