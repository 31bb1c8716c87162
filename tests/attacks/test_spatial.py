"""Images that are turned, moved and enlarged: the words, T(x, theta), and what attacks find in a cube of theta."""

import math
from dataclasses import replace

import pytest
import torch

from robust.attacks import Restarts, Rng, Transfer, Union, assail, make, run_steps
from robust.attacks.engine import start
from robust.attacks.lift import lift
from robust.attacks.testing.models import Watched
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.spatial import SpatialThreat
from robust.attacks.threats.threat import read_threat
from robust.attacks.words import canonical_threat

TURN = SpatialThreat.parse("spatial:rotate=90:translate=2:scale=2")


def theta(*rows):
    return torch.tensor(rows, dtype=torch.float32)


def pixel(row, column, size=5):
    """Return an image with one bright pixel."""
    x = torch.zeros(1, 1, size, size)
    x[0, 0, row, column] = 1
    return x


def linear(x):
    """Answer 1 where the right half of an image is brighter than the left."""
    half = x.shape[-1] // 2
    gain = x[..., -half:].flatten(1).sum(1) - x[..., :half].flatten(1).sum(1)
    return torch.stack([-gain, gain], 1)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("spatial:rotate=30:translate=3", "spatial:rotate=30:translate=3"),
        (" spatial:translate = 3.0: rotate=30 ", "spatial:rotate=30:translate=3"),
        ("spatial:translate=10%:scale=1.20", "spatial:translate=10%:scale=1.2"),
        ("spatial:rotate=0.5:padding=zeros:interpolation=bilinear", "spatial:rotate=0.5"),
        (
            "spatial:rotate=7:padding=border:interpolation=nearest",
            "spatial:rotate=7:padding=border:interpolation=nearest",
        ),
    ],
)
def test_the_canonical_spelling(text, canonical):
    assert canonical_threat(text) == canonical
    assert str(SpatialThreat.parse(canonical)) == canonical


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("spatial", "nothing may change; write how far, as spatial:rotate=30:translate=3"),
        ("spatial:", "unknown word ''"),
        ("spatial:30", "unknown word '30'"),
        ("spatial:rotate", "rotate has no value; write rotate=30"),
        ("spatial:rotat=30", "unknown word 'rotat', did you mean 'rotate'?"),
        ("spatial:rotate=30:rotate=20", "gives rotate twice"),
        ("spatial:rotate=-30", "rotate is in degrees from 0 to 180, as rotate=30, got '-30'"),
        ("spatial:rotate=181", "got '181'"),
        ("spatial:rotate=nan", "got 'nan'"),
        ("spatial:rotate=1e9", "got '1e9'"),
        ("spatial:rotate=30deg", "got '30deg'"),
        ("spatial:translate=101%", "per cent from 0 to 100, as translate=3%, got '101'"),
        ("spatial:translate=3px", "translate is in pixels, or per cent with a %, as translate=3, got '3px'"),
        ("spatial:scale=0.8", "scale is a factor of at least 1, both ways; write scale=1.25"),
        ("spatial:scale=0", "write scale=1.2"),
        ("spatial:scale=5", "scale is in a factor from 1 to 4"),
        ("spatial:rotate=30:padding=black", "unknown padding 'black'"),
        ("spatial:rotate=30:interpolation=cubic", "unknown interpolation 'cubic'"),
        ("spatial:rotate=0:translate=0:scale=1", "nothing may change"),
        ("spatail:rotate=30", "unknown threat model 'spatail', did you mean 'spatial'?"),
    ],
)
def test_wrong_words_are_refused_in_one_line(text, says):
    with pytest.raises(ValueError, match=r"\A[^\n]*\Z") as error:
        canonical_threat(text)
    assert says in str(error.value)


def test_theta_means_what_it_says():
    """A pixel right of the middle goes up when the image turns by 90 degrees, counter-clockwise as seen."""
    right = pixel(2, 3)

    assert torch.allclose(TURN.apply(right, theta([90, 0, 0, 1])), pixel(1, 2), atol=1e-6)
    assert torch.allclose(TURN.apply(right, theta([0, 1, 0, 1])), pixel(2, 4), atol=1e-6)
    assert torch.allclose(TURN.apply(right, theta([0, 0, -1, 1])), pixel(1, 3), atol=1e-6)
    assert TURN.apply(right, theta([0, 0, 0, 2]))[0, 0, 2, 4] == 1  # enlarged about the middle
    assert torch.allclose(TURN.apply(right, theta([90, 1, 0, 1])), pixel(1, 3), atol=1e-6)  # turned first, then moved
    x = torch.rand(3, 2, 6, 7)
    assert torch.allclose(TURN.apply(x, theta(*[[0, 0, 0, 1]] * 3)), x, atol=1e-6)


def test_padding_and_interpolation():
    x = torch.rand(1, 1, 4, 4)
    moved = theta([0, 1, 0, 1])
    columns = {}
    for padding in ("zeros", "border", "reflect"):
        threat = SpatialThreat.parse(f"spatial:translate=2:padding={padding}")
        columns[padding] = threat.apply(x, theta([0, 2, 0, 1]))[..., :2]

    assert not columns["zeros"].any()
    assert torch.allclose(columns["border"], x[..., :1].expand(-1, -1, -1, 2), atol=1e-6)
    assert torch.allclose(columns["reflect"], x[..., :2].flip(-1), atol=1e-6)
    nearest = SpatialThreat.parse("spatial:translate=2:interpolation=nearest")
    assert torch.equal(nearest.apply(x, moved)[..., 1:], x[..., :-1])
    assert torch.isin(nearest.apply(x, theta([0, 0.3, 1.3, 1])), torch.cat([x.flatten(), torch.zeros(1)])).all()


def test_zeros_are_zero_where_the_data_have_it():
    dark = SpatialThreat.parse("spatial:translate=1", lo=-1, hi=1)
    bright = SpatialThreat.parse("spatial:translate=1", lo=0.5, hi=1)
    x = torch.full((1, 1, 3, 3), 0.75)

    assert dark.apply(x, theta([0, 1, 0, 1]))[..., 0].abs().max() < 1e-9
    assert (bright.apply(x, theta([0, 1, 0, 1]))[..., 0] == 0.5).all()


@pytest.mark.parametrize(
    ("text", "most"), [("spatial:translate=3", (0, 3, 3, 1)), ("spatial:translate=50%", (0, 4, 2, 1))]
)
def test_points_of_the_cube_reach_the_limits(text, most):
    threat = SpatialThreat.parse(text)
    x = torch.rand(2, 1, 4, 8)

    found = threat.settle(torch.tensor([[1.0, 1.0], [-1.0, -1.0]]), x)

    assert found[0].tolist() == list(most)
    assert found[1].tolist() == [-v if k < 3 else 1 for k, v in enumerate(most)]
    assert threat.dimensions == 2


def test_an_enlargement_is_a_power_of_its_limit():
    threat = SpatialThreat.parse("spatial:scale=2")

    assert threat.settle(torch.tensor([[1.0], [-1.0], [0.0]]), torch.rand(3, 1, 4, 4))[:, 3].tolist() == [2, 0.5, 1]


def test_the_grid_is_the_papers():
    grid = SpatialThreat.parse("spatial:rotate=30:translate=3").grid(775)

    assert len(grid) == 775
    assert len(grid[:, 0].unique()) == 31
    assert len(grid[:, 1].unique()) == len(grid[:, 2].unique()) == 5
    assert len(SpatialThreat.parse("spatial:rotate=30").grid(775)) == 775
    assert len(SpatialThreat.parse("spatial:translate=3").grid(100)) == 81


@pytest.mark.parametrize(
    "attack", ["grid", "worstof:steps=30", "pgd:steps=10:restarts=3", "noise:steps=50", "apgd", "fgsm"]
)
@pytest.mark.parametrize("padding", ["zeros", "border", "reflect"])
def test_what_is_found_is_what_its_theta_makes_and_fools_the_model(attack, padding):
    threat = SpatialThreat.parse(f"spatial:rotate=60:translate=2:padding={padding}")
    x = Rng.of(0, torch.arange(30)).uniform(torch.zeros(30, 1, 8, 8))
    y = linear(x).argmax(1)

    found = assail(linear, make(attack), x, y, threat)

    assert found.adversarial.sum() > 5
    assert torch.equal(linear(found.x_adv).argmax(1) != y, found.adversarial)
    assert threat.admits(found.x_adv, x, found.theta).all()
    assert torch.equal(found.theta.isfinite().all(1), found.adversarial)
    made = threat.apply(x[found.adversarial], found.theta[found.adversarial])
    assert torch.equal(made, found.x_adv[found.adversarial])


def test_a_full_grid_of_angles_is_the_oracle():
    """The grid finds exactly the samples that some turn breaks, as enumeration says, angle by angle."""
    threat = SpatialThreat.parse("spatial:rotate=40")
    x = Rng.of(1, torch.arange(200)).uniform(torch.zeros(200, 1, 9, 9))
    y = linear(x).argmax(1)
    angles = torch.linspace(-40, 40, 201)
    falls = torch.zeros(200, dtype=torch.bool)
    for angle in angles:
        falls |= linear(threat.apply(x, theta(*[[angle, 0, 0, 1]] * 200))).argmax(1) != y

    grid = assail(linear, make("grid:steps=201"), x, y, threat)

    assert 0 < falls.sum() < 200
    assert torch.equal(grid.adversarial, falls)
    for attack in ("worstof:steps=60", "pgd:loss=margin:steps=10:starts=6"):
        assert (assail(linear, make(attack), x, y, threat).adversarial & ~falls).sum() <= 2  # between two angles


def test_passes_are_counted_and_the_model_sees_the_box():
    inner = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)).double()
    watched = Watched(inner)
    x = torch.rand(6, 1, 8, 8, dtype=torch.float64)
    y = inner(x).argmax(1)

    found = assail(watched, make("pgd:steps=4"), x, y, TURN)

    assert int(found.cost.forwards.sum()) == watched.forwards
    assert all(0 <= seen <= 1 for seen in watched.values)


def test_unions_keep_the_theta_of_the_part_that_found_it():
    threat = Union((LpThreat.parse("linf:0.01"), SpatialThreat.parse("spatial:rotate=90")))
    x = Rng.of(2, torch.arange(60)).uniform(torch.zeros(60, 1, 8, 8))
    y = linear(x).argmax(1)

    found = assail(linear, make("pgd:steps=5"), x, y, threat)

    turned = found.theta.isfinite().any(1)
    ball = found.adversarial & ~turned
    assert ball.any()
    assert turned.any()
    assert threat.parts[0].admits(found.x_adv[ball], x[ball]).all()
    assert threat.parts[1].admits(found.x_adv[turned], x[turned], found.theta[turned]).all()


def test_the_batch_does_not_matter():
    x = Rng.of(0, torch.arange(20)).uniform(torch.zeros(20, 1, 8, 8, dtype=torch.float64))
    y = linear(x).argmax(1)
    for attack in ("grid:steps=80", "worstof", "pgd:steps=5"):
        whole = assail(linear, make(attack), x, y, TURN)
        parts = [
            assail(linear, make(attack), x[k : k + 1], y[k : k + 1], TURN, seed=Rng.of(0, torch.tensor([k])))
            for k in range(20)
        ]

        assert torch.equal(torch.cat([part.adversarial for part in parts]), whole.adversarial)
        assert torch.allclose(torch.cat([part.theta for part in parts]), whole.theta, equal_nan=True)


def test_a_surrogate_sees_images_too():
    x = torch.rand(10, 1, 8, 8)
    y = linear(x).argmax(1)
    shapes = []

    def surrogate(batch):
        shapes.append(batch.shape[1:])
        return linear(batch)

    assert assail(linear, Transfer(make("pgd:steps=5"), surrogate), x, y, TURN).adversarial.any()
    assert set(shapes) == {(1, 8, 8)}
    assert assail(linear, Restarts(make("pgd:steps=2"), 2), x, y, TURN).adversarial.any()


def test_training_gets_images_at_the_worst_of_the_draws():
    x = torch.rand(10, 1, 8, 8)
    y = linear(x).argmax(1)
    task = start(linear, x, y, TURN, Rng.of(0, torch.arange(10)))

    worst, once = (run_steps(make(f"worstof:steps={k}"), task) for k in (20, 1))

    assert worst.shape == x.shape
    loss = torch.nn.functional.cross_entropy
    assert (loss(linear(worst), y, reduction="none") >= loss(linear(once), y, reduction="none")).all()
    assert lift(replace(task, threat=LpThreat.parse("linf:0.1"))).x is x


def test_shapes_and_criteria_that_it_is_not_for():
    y = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"is for images of shape \(channels, height, width\), an input has \[5\]"):
        assail(lambda x: -x, make("grid"), torch.arange(10.0).view(2, 5) / 10, y, TURN)
    far = SpatialThreat.parse("spatial:translate=9")
    with pytest.raises(ValueError, match="moves an image by up to 9 pixels, and it is 8 wide"):
        assail(linear, make("grid"), torch.ones(2, 1, 8, 8), y, far)
    with pytest.raises(ValueError, match="grid is for spatial, the threat is linf"):
        assail(linear, make("grid"), torch.rand(2, 1, 8, 8), y, LpThreat.parse("linf:0.1"))
    with pytest.raises(ValueError, match=r"square is for .*, the threat is spatial; use grid, worstof or noise$"):
        assail(linear, make("square"), torch.rand(2, 1, 8, 8), y, TURN)


def test_it_is_read_as_other_threat_models_are():
    union = read_threat("spatial:rotate=30+linf:0.1", -1, 1)

    assert str(union) == "spatial:rotate=30+linf:0.1"
    assert (union.lo, union.hi) == (-1, 1)
    drawn = union.parts[0].sample(torch.rand(4, 1, 6, 6), Rng.of(0, torch.arange(4)))
    assert drawn.shape == (4, 1, 6, 6)
    assert math.isfinite(float(drawn.sum()))
