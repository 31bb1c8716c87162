"""pixels:S: which maps it accepts, its losses, and a segmenter of 1x1 convolutions, of which the truth is known."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robust.attacks import LpThreat, assail, make, worsen_scores
from robust.attacks.criteria.registry import canonical_criterion, read_criterion
from robust.attacks.few_classes import fit_classes
from robust.attacks.suite import read_suite
from robust.verification.acceptance import judge_answers

CRITERION = "pixels:0.9:ignore=255"
EPS = 0.01


def maps(n=6, classes=4, seed=0):
    """Return (logits (n, C, 6, 6), labels (n, 6, 6), of which a row is to ignore and some are below 0)."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, classes, 6, 6, generator=generator, dtype=torch.float64)
    y = torch.where(torch.rand(n, 6, 6, generator=generator) < 0.9, logits.argmax(1), 0)
    y[:, 2] = 255
    y[0, 4, :3] = -1
    return logits, y


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("pixels:0.9", "pixels:0.9"),
        ("pixels:90%", "pixels:0.9"),
        ("pixels:1", "pixels:1"),
        ("pixels:0.75:ignore=255,0", "pixels:0.75:ignore=0,255"),
        ("pixels:0.75:ignore=-1", "pixels:0.75:ignore=-1"),
    ],
)
def test_its_spellings(text, canonical):
    assert canonical_criterion(text) == canonical_criterion(canonical) == canonical


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("pixels", "write pixels:S with the share of its pixels that must be right"),
        ("pixels:0", "above 0 and at most 1, got 0"),
        ("pixels:90", "got 90; did you mean 0.9?"),
        ("pixels:many", "'many' is no number"),
        ("pixels:0.9:ignore=void", "write pixels:S"),
        ("pixels:0.9:skip=255", "write pixels:S"),
    ],
)
def test_what_is_wrong_with_one_is_one_line(text, fault):
    with pytest.raises(ValueError, match=r"^.*$") as error:
        read_criterion(text)

    assert fault in str(error.value)


@pytest.mark.parametrize("share", [0.5, 0.8, 0.9, 1.0])
def test_the_margin_says_what_the_count_says_and_verification_agrees(share):
    (logits, y), criterion = maps(60), read_criterion(f"pixels:{share}:ignore=255")

    counts = (y >= 0) & (y != 255)
    right = ((logits.argmax(1) == y) & counts).flatten(1).sum(1)
    accepted = right >= share * counts.flatten(1).sum(1) - 1e-9
    judged = judge_answers(str(criterion), logits.numpy(), y.numpy())
    assert torch.equal(criterion.accepts(logits, y), accepted)
    assert torch.equal(criterion.margin(logits, y) < 0, accepted)
    assert torch.equal(criterion.accepts(logits.flatten(1), y), accepted)  # as the checks keep them
    assert judged.right.tolist() == accepted.tolist()
    torch.testing.assert_close(criterion.score(logits, y), torch.from_numpy(judged.score))


@pytest.mark.parametrize("name", ["ce", "margin", "segpgd", "js", "mask-ce", "mask-ce-bal", "mask-sph"])
@pytest.mark.parametrize("aimed", [False, True])
def test_a_pixel_that_does_not_count_is_in_no_loss(name, aimed):
    (logits, y), criterion = maps(), read_criterion(CRITERION)
    target = torch.full((len(y),), 1) if aimed else None
    leaf = logits.clone().requires_grad_()

    loss = criterion.loss(name, leaf, y, target)

    (grad,) = torch.autograd.grad(loss.sum(), leaf)
    unread = ((y == 255) | (y < 0))[:, None].expand_as(grad)
    assert not grad[unread].any()
    assert grad[~unread].any()
    other = torch.where(unread, 100 * torch.randn_like(logits), logits)
    torch.testing.assert_close(criterion.loss(name, other, y, target), loss.detach())


def test_the_losses_have_the_gradients_of_their_sources():
    (logits, y), criterion = maps(), read_criterion(CRITERION)
    counts = (y >= 0) & (y != 255)
    label = y.where(counts, 0)
    right, hot = (logits.argmax(1) == y) & counts, F.one_hot(label, 4).movedim(-1, 1).double()

    def per_map(pixels):
        return pixels.where(counts, 0).flatten(1).sum(1) / counts.flatten(1).sum(1)

    def divergence(z):
        p = z.softmax(1)
        mean = (p + hot) / 2
        return ((p * (p / mean).log()).sum(1) - mean.gather(1, label[:, None])[:, 0].log()) / 2

    def entropy(z):
        return F.cross_entropy(z, label, reduction="none")

    sources = {
        "ce": lambda z: per_map(entropy(z)),
        "js": lambda z: per_map(divergence(z)),
        "mask-ce": lambda z: per_map(entropy(z) * right),
        "mask-sph": lambda z: per_map(-(z * hot).sum(1) / z.norm(dim=1) * right),
        "segpgd": lambda z: per_map(entropy(z) * torch.where(right, 0.75, 0.25)),  # half of the steps are made
    }
    for name, source in sources.items():
        leaf = logits.clone().requires_grad_()
        expected = torch.autograd.grad(source(leaf).sum(), leaf)[0]
        found = torch.autograd.grad(criterion.during(0.5).loss(name, leaf, y).sum(), leaf)[0]
        torch.testing.assert_close(found, expected, msg=name)


def test_segpgd_follows_the_steps_of_the_attack(monkeypatch):
    (model, x, y, *_), told = segmenter(), []
    kind = type(read_criterion(CRITERION))
    plain = kind.during
    monkeypatch.setattr(kind, "during", lambda self, done: told.append(done) or plain(self, done))

    worsen_scores(model, make("pgd:steps=4:loss=segpgd"), x, y, THREAT, criterion=read_criterion(CRITERION))

    assert told == [0.25, 0.5, 0.75, 1.0]


THREAT = LpThreat.parse(f"linf:{EPS}", lo=0, hi=1)


def segmenter(classes=2):
    """Return (model, x, y, the share of pixels that stay right under THREAT, whether that is enough)."""
    generator = torch.Generator().manual_seed(classes)
    model = nn.Conv2d(3, classes, 1, dtype=torch.float64)
    model.weight.data = torch.randn(classes, 3, 1, 1, generator=generator, dtype=torch.float64)
    model.bias.data = -model.weight.data.sum((1, 2, 3)) / 2
    x = 0.2 + 0.6 * torch.rand(60, 3, 8, 8, generator=generator, dtype=torch.float64)
    logits = model(x).detach()
    y = logits.argmax(1)
    flipped = torch.rand(y.shape, generator=generator) < 0.02
    y = torch.where(flipped, 1 - y.clamp_max(1), y)
    weight, counts = model.weight.data[:, :, 0, 0], torch.ones_like(y, dtype=torch.bool)
    y[:, 0], counts[:, 0] = 255, False
    label = y.where(counts, 0)
    own, stays = logits.gather(1, label[:, None])[:, 0], counts.clone()
    for other in range(classes):
        gain = EPS * (weight[other] - weight[label]).abs().sum(-1)
        stays &= (own - logits[:, other] > gain) | (label == other)
    share = stays.flatten(1).sum(1) / counts.flatten(1).sum(1)
    return model, x, y, share.double(), share >= 0.9 - 1e-9


LINEAR = ["pgd:loss=ce", "pgd:loss=margin", "pgd:loss=segpgd", "pgd:loss=js", "pgd:loss=mask-ce",
          "pgd:loss=mask-ce-bal", "apgd:loss=mask-ce:steps=20", "fgsm", "bim", "mifgsm"]  # fmt: skip


@pytest.mark.parametrize("attack", LINEAR)
def test_of_two_classes_every_attack_finds_the_exact_share(attack):
    model, x, y, share, robust = segmenter()

    found = assail(model, make(attack), x, y, THREAT, criterion=read_criterion(CRITERION))
    worst = worsen_scores(model, make(attack), x, y, THREAT, criterion=read_criterion(CRITERION))

    assert 0 < robust.sum() < len(x)
    assert torch.equal(~found.adversarial, robust)
    torch.testing.assert_close(worst.score, share, atol=1e-6, rtol=0)


@pytest.mark.parametrize("attack", ["pgd:loss=margin", "apgd:loss=margin:steps=40"])
def test_of_more_classes_the_margin_seeks_the_pixels_that_decide(attack):
    model, x, y, _, robust = segmenter(classes=4)

    found = assail(model, make(attack), x, y, THREAT, criterion=read_criterion(CRITERION))

    assert 0 < robust.sum() < len(x)
    assert torch.equal(~found.adversarial, robust)


def test_labels_and_answers_that_do_not_fit_are_one_line():
    model, x, y, *_ = segmenter()
    for wrong, labels, fault in [
        (model, y[:, :4], r"answered with shape \[60, 2, 8, 8\], and there are maps of shape \[60, 4, 8\]"),
        (model, y.flatten(1), r"expected maps of classes, \(N, h, w\)"),
        (model, y.where(y != 1, 7), "labels up to 7, and the model has the classes 0 to 1.*ignore=7"),
        (nn.Flatten(), y, r"expected logits \(N, classes, h, w\)"),
    ]:
        with pytest.raises(ValueError, match=fault):
            assail(wrong, make("fgsm"), x, labels, THREAT, criterion=read_criterion(CRITERION))


def test_losses_of_one_kind_of_labels_are_replaced_for_another(tmp_path):
    assert fit_classes("pgd:loss=dlr:targets=9", 4, "pixels:0.9") == "pgd:loss=margin:targets=4"
    assert fit_classes("pgd:loss=js", 4, "pixels:0.9") == "pgd:loss=js"
    assert fit_classes("pgd:loss=js", 4) == fit_classes("pgd:loss=js", 1, "within:3") == "pgd:loss=ce"


@pytest.mark.parametrize("name", ["quick-1", "standard-1", "full-1"])
def test_the_shipped_suites_have_stages_of_several_losses_for_maps(name, tmp_path):
    stages = read_suite(name, tmp_path, "pixels:0.9").stages

    assert all(stage.criteria == ("pixels",) for stage in stages)
    assert len({stage.attack.partition("loss=")[2].partition(":")[0] for stage in stages}) >= 3
    assert not any(stage.criteria for stage in read_suite(name, tmp_path, "within:3").stages)
    assert not any(stage.criteria for stage in read_suite(name, tmp_path).stages)
