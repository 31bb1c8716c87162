"""One patch for all inputs: its words, how it is learnt, and that it is shown as it was learnt."""

import re
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks import PatchThreat, assail, make
from robust.attacks.testing.models import inputs, network
from robust.attacks.words import canonical_threat, explain_threat, families_of, family_of
from robust.attacks.zoo.universal_patch import UniversalPatch
from tests.oracles.patches import windows

THREAT = PatchThreat.parse("patch:1x2:universal=true")


@pytest.mark.parametrize(
    ("text", "spelled", "family"),
    [
        ("patch:5x5:universal=true", "patch:5x5:universal=true", "universal-patch"),
        ("patch: 05x5 : universal = True", "patch:5x5:universal=true", "universal-patch"),
        ("patch:5x5:universal=false", "patch:5x5", "patch"),
        ("patch:2%:universal=true", "patch:2%:universal=true", "universal-patch"),
    ],
)
def test_it_is_a_family_of_its_own(text, spelled, family):
    assert canonical_threat(text) == spelled
    assert family_of(spelled) == family
    assert PatchThreat.parse(text).norm == family
    assert str(PatchThreat.parse(text)) == spelled


def test_a_union_may_have_both():
    assert families_of(["patch:5x5+patch:9x9:universal=true"]) == {"patch", "universal-patch"}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("patch:5x5:universal=yes", "with :universal=true behind it, one patch serves all"),
        ("patch:5x5:universal", "with :universal=true behind it, one patch serves all"),
        ("patch:0x5:universal=true", "a patch has at least one pixel, got 0"),
        ("universal-patch:5x5", "write patch:HxW:universal=true, as patch:5x5:universal=true"),
    ],
)
def test_a_wrong_word_is_one_line(text, line):
    with pytest.raises(ValueError, match=re.escape(line)):
        canonical_threat(text)


def test_the_page_says_that_it_was_learnt_on_other_samples():
    assert "learnt on other samples than those that it is measured on" in explain_threat("patch:5x5:universal=true")


def linear():
    layer = nn.Linear(16, 2).double().requires_grad_(False)
    layer.weight[:], layer.bias[:] = inputs(2, (16,)) - 0.5, 0.0
    return nn.Sequential(nn.Flatten(), layer)


def most_fooled(model, x, y, values):
    """Return how many of the samples the best patch of these values fools, of all patches of all places."""
    most = 0
    for rows, columns in windows((4, 4), (1, 2)):
        for content in product(values, repeat=2):
            z = x.clone()
            z[:, 0, rows, columns] = torch.tensor(content, dtype=x.dtype)
            most = max(most, int((model(z).argmax(1) != y).sum()))
    return most


@pytest.mark.parametrize("gradient", [True, False])
@pytest.mark.parametrize("make_model", [linear, lambda: network(16, 4)])
def test_it_fools_nearly_as_many_as_the_best_of_all_patches(make_model, gradient):
    inner, x = make_model(), inputs(60, (1, 4, 4))
    model = inner if gradient else (lambda z: inner(z.detach()).detach())
    y = inner(x).argmax(1)
    shown = UniversalPatch().learn(model, x, y, THREAT)
    (sticker,) = shown.stickers.values()
    found = assail(model, shown, x, y, THREAT)

    assert sticker.fooled == int(found.adversarial.sum())
    assert sticker.fooled >= 0.8 * most_fooled(inner, x, y, (0.0, 0.25, 0.5, 0.75, 1.0))
    assert (sticker.backwards > 0) == gradient


def test_all_samples_get_the_same_patch_whatever_their_batch():
    model, x = network(16, 4), inputs(60, (1, 4, 4))
    y = model(x).argmax(1)
    shown = UniversalPatch(steps=30).learn(model, x[:30], y[:30], THREAT, seed=3)
    again = UniversalPatch(steps=30).learn(model, x[:30], y[:30], THREAT, seed=3, batch=7)
    (one,), (other,) = shown.stickers.values(), again.stickers.values()
    found = assail(model, shown, x[30:], y[30:], THREAT)
    patched = found.x_adv[found.adversarial]
    changed = (patched != x[30:][found.adversarial]).any(0)

    assert torch.equal(one.content, other.content)
    assert one.place == other.place
    assert changed.sum() <= 2
    assert (patched[:, changed] == patched[:1, changed]).all()
    assert re.fullmatch(r"at row \d, column \d; it fools \d+\.\d % of the 30 samples it was learnt on", one.describe(4))


def test_what_cannot_be_learnt_is_one_line():
    model, x = network(16, 4), inputs(10, (1, 4, 4))
    y = model(x).argmax(1)
    with pytest.raises(ValueError, match="learn the patch first, on other samples"):
        assail(model, UniversalPatch(), x, y, THREAT)
    with pytest.raises(ValueError, match="the model answers none of the samples right"):
        UniversalPatch().learn(model, x, (y + 1) % 4, THREAT)
    with pytest.raises(ValueError, match="a patch is learnt for patch:HxW:universal=true"):
        UniversalPatch().learn(model, x, y, PatchThreat.parse("patch:1x2"))
    with pytest.raises(ValueError, match="the threat is universal-patch; use universal-patch, and no other"):
        assail(model, make("pgd"), x, y, THREAT)


@pytest.mark.parametrize("option", ["restarts=3", "targets=2", "starts=2", "eot=2", "odi=2"])
def test_nothing_that_makes_several_patches_goes_with_it(option):
    with pytest.raises(ValueError, match=f"universal-patch takes no {option[:-2]}: it is one patch that serves all"):
        make(f"universal-patch:{option}")


def test_a_union_gets_a_patch_for_each_part():
    from robust.attacks import Union

    other = PatchThreat.parse("patch:2x1:universal=true")
    model, x = network(16, 4), inputs(40, (1, 4, 4))
    y = model(x).argmax(1)
    shown = UniversalPatch(steps=30).learn(model, x, y, Union((THREAT, other)))
    found = assail(model, shown, x, y, Union((THREAT, other)))

    assert {*shown.stickers} == {str(THREAT), str(other)}
    alone = [assail(model, shown, x, y, part).adversarial for part in (THREAT, other)]
    assert torch.equal(found.adversarial, alone[0] | alone[1])
    assert np.isfinite(found.x_adv.numpy()).all()
