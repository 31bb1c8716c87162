"""Images of adversarial samples: their content, and that making them changes nothing."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from robust.data.dataset import Samples
from robust.evaluation.illustrate import SIDE, illustrate
from robust.records.evidence import Evidence
from robust.records.gallery import Gallery, choose_rows, join_galleries
from robust.report.page.images import colour_maps, gallery_section
from robust.verification.candidates import Candidates
from tests.making import evidence, record


class Weighted(nn.Module):
    """Two classes: the second's logit is a weighted sum of the inputs, so every gradient is known."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(torch.as_tensor(weights, dtype=torch.float32))

    def forward(self, x):
        score = (x * self.weights).flatten(1).sum(1)
        return torch.stack([torch.zeros_like(score), score], 1)


def samples(x, y=None):
    return Samples(x.astype(np.float32), np.ones(len(x), np.int64) if y is None else y, np.arange(len(x)))


def make_gallery(module, x, x_adv, adversarial=None, **options):
    adversarial = np.ones(len(x), bool) if adversarial is None else adversarial
    attacked = samples(x[adversarial])
    candidates = Candidates(x_adv.astype(np.float32), attacked.x, attacked.y, "linf:1", (0.0, 1.0), 8)
    return illustrate(module, candidates, adversarial, **{"most": 6, **options})


def test_the_maps_are_those_of_a_linear_model():
    """Saliency is the weights without sign; integrated gradients are weights times inputs (1703.01365, section 3)."""
    weights, x = np.array([[4.0, -2.0], [1.0, 0.0]]), np.array([[[0.5, 0.5], [1.0, 1.0]]])
    found = make_gallery(Weighted(weights), x, x)

    assert found.saliency[0, ..., 0].tolist() == np.round(255 * np.abs(weights) / 4).astype(int).tolist()
    assert found.integrated[0, ..., 0].tolist() == np.round(255 * np.abs(weights * x[0]) / 2).astype(int).tolist()


def test_original_change_and_adversarial_are_pixels():
    x, x_adv = np.array([[[0.0, 1.0], [0.2, 0.4]]]), np.array([[[0.1, 1.0], [0.2, 0.2]]])
    found = make_gallery(Weighted(np.ones((2, 2))), x, x_adv)

    assert found.original[0, ..., 0].tolist() == [[0, 255], [51, 102]]
    assert found.adversarial[0, ..., 0].tolist() == [[26, 255], [51, 51]]
    assert found.change[0, ..., 0].tolist() == [[191, 128], [128, 0]]


def test_it_says_what_the_model_takes_the_inputs_for():
    x = np.ones((1, 2, 2))
    found = make_gallery(Weighted(np.ones((2, 2))), x, 0 * x)

    assert (found.label.tolist(), found.answer.tolist(), found.sure.tolist()) == ([1], [0], [0.5])


def test_colours_stay_and_channels_come_last():
    x = np.zeros((1, 3, 2, 4))
    x[0, 0] = 1
    found = make_gallery(Weighted(np.ones((3, 2, 4))), x, x)

    assert found.original.shape == (1, 2, 4, 3)
    assert found.original[0, 0, 0].tolist() == [255, 0, 0]
    assert found.saliency.shape == found.integrated.shape == (1, 2, 4, 1)


def test_large_images_are_made_smaller():
    x = np.random.RandomState(0).rand(1, 1, 2 * SIDE, SIDE)
    found = make_gallery(Weighted(np.ones((1, 2 * SIDE, SIDE))), x, x)

    assert found.original.shape == (1, SIDE, SIDE // 2, 1)
    assert found.original[0, 0, 0, 0] == round(255 * x[0, 0, :2, :2].mean())


@pytest.mark.parametrize("shape", [(4,), (2, 4, 4), (3, 2, 4, 4)], ids=str)
def test_what_is_no_image_has_none(shape):
    x = np.ones((2, *shape))

    assert make_gallery(Weighted(np.ones(shape)), x, x) is None


def test_without_adversarial_samples_there_are_none():
    x = np.ones((2, 2, 2))

    assert make_gallery(Weighted(np.ones((2, 2))), x, x[:0], np.zeros(2, bool)) is None


def test_a_model_without_a_gradient_has_no_maps():
    class Steps(Weighted):
        def forward(self, x):
            return super().forward(x.detach().round())

    x = np.ones((1, 2, 2))
    found = make_gallery(Steps(np.ones((2, 2))), x, x)

    assert found.saliency is None
    assert found.integrated is None
    assert found.original.shape == (1, 2, 2, 1)


def test_without_captum_only_its_column_is_left_out(monkeypatch):
    monkeypatch.setattr("robust.evaluation.illustrate.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "captum", None)
    x = np.ones((1, 2, 2))
    found = make_gallery(Weighted(np.ones((2, 2))), x, x)

    assert found.integrated is None
    assert found.saliency is not None


def test_the_model_and_the_generator_are_as_before():
    module = nn.Sequential(Weighted(np.ones((2, 2))), nn.Dropout()).train()
    before, x = torch.get_rng_state(), np.ones((3, 2, 2))
    make_gallery(module, x, x)

    assert torch.equal(torch.get_rng_state(), before)
    assert all(part.training for part in module.modules())
    assert all(p.grad is None and p.requires_grad for p in module.parameters())


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40), st.integers(0, 9), st.integers(1, 5))
def test_what_attacks_choose_apart_joins_to_what_is_chosen_of_all(adversarial, seed, most):
    masks = [np.array(mask) for mask in zip(*adversarial, strict=True)]
    whole = join_galleries(
        [made(choose_rows(mask, most, seed), k) for k, mask in enumerate(masks)], masks[0] | masks[1], most, seed
    )
    rows = [] if whole is None else whole.row.tolist()

    assert rows == choose_rows(masks[0] | masks[1], most, seed).tolist()
    assert all(attack == int(not masks[0][row]) for row, attack in zip(rows, whole.label if whole else (), strict=True))


def made(rows, label=0, size=2):
    images = np.zeros((len(rows), size, size, 1), np.uint8)
    labels = np.full(len(rows), label)
    return Gallery(rows, labels, labels, labels.astype(np.float32), images, images, images, images, None)


def test_it_comes_back_from_the_evidence_without_pickles_and_older_evidence_is_read():
    plain = evidence(record(adversarial={"pgd": "11010001"}))
    given = replace(plain, gallery=made(np.array([0, 3])))
    back = Evidence.from_bytes(given.to_bytes()).gallery

    assert back.row.tolist() == [0, 3]
    assert back.original.dtype == np.uint8
    assert back.integrated is None
    assert given.to_bytes() == given.to_bytes()
    assert Evidence.from_bytes(plain.to_bytes()).gallery is None


def of_maps():
    """Return (gallery of a model whose logits are its input's two channels plus one, labels, adversarial inputs)."""
    rng = np.random.default_rng(0)
    x, x_adv = (rng.random((3, 3, 4, 5), dtype=np.float32) for _ in range(2))
    y = rng.integers(0, 3, (3, 4, 5))
    y[:, 0] = 255
    candidates = Candidates(x_adv, x, y, "linf:1", (0.0, 1.0), 8, "pixels:0.9:ignore=255")
    return illustrate(nn.Identity(), candidates, np.array([1, 0, 1, 1], bool), most=6), y, x, x_adv


def test_maps_are_shown_with_their_labels_and_both_answers():
    found, y, x, x_adv = of_maps()

    assert found.row.tolist() == [0, 2, 3]
    np.testing.assert_array_equal(found.label, y)
    np.testing.assert_array_equal(found.before, x.argmax(1))
    np.testing.assert_array_equal(found.answer, x_adv.argmax(1))
    np.testing.assert_allclose(found.sure, (x_adv.argmax(1) == y)[:, 1:].mean((1, 2)), atol=1e-6)
    assert found.saliency is found.integrated is None
    kept = Gallery.of(found.arrays())
    np.testing.assert_array_equal(kept.answer, found.answer)
    assert kept.take(np.array([1])).before.shape == (1, 4, 5)


def test_a_damaged_gallery_of_maps_is_refused():
    arrays = of_maps()[0].arrays()

    for name, array in (("answer", arrays["gallery_answer"][:, :2]), ("label", arrays["gallery_label"][..., None])):
        with pytest.raises(ValueError, match=r"gallery_|its labels have the shape"):
            Gallery.of(arrays | {f"gallery_{name}": array})


def test_the_page_draws_maps_in_the_colours_of_pascal_voc():
    found = of_maps()[0]
    colours = colour_maps(np.array([[[0, 1, 2], [255, -1, 15]]]))[0]

    assert colours.tolist() == [
        [[0, 0, 0], [128, 0, 0], [0, 128, 0]],
        [[224, 224, 192], [224, 224, 192], [192, 128, 128]],
    ]
    html = str(gallery_section(found))
    assert html.count("<img") == 3 * 5
    assert [html.count(f"<figcaption>{name}") for name in ("original", "labels", "answer", "under attack")] == [3] * 4
    assert colour_maps(np.zeros((1, 300, 200), int)).shape == (1, 100, 67, 3)
