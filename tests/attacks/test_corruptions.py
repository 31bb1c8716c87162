"""The transforms of pictures: what they do is known in closed form, does not depend on the process, and grows."""

import hashlib
import json
import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from numpy.random import RandomState
from PIL import Image
from scipy.ndimage import gaussian_filter

from robust.attacks.corruptions.blur import glass_blur, make_disk
from robust.attacks.corruptions.corrupt import corrupt
from robust.attacks.corruptions.kinds import CIFAR, IMAGENET, KINDS, MNIST, SMALL, USUAL, scheme_of
from robust.attacks.corruptions.parameters import PARAMETERS
from robust.attacks.corruptions.picture import Picture, drag, smooth
from robust.attacks.corruptions.spatter import equalize, find_edges
from robust.attacks.corruptions.weather import draw_ice, draw_plasma

SHAPES = [(8, 8, 1), (8, 8, 3), (17, 40, 3), (28, 28, 1), (28, 30, 3), (32, 32, 1), (32, 32, 3), (64, 48, 3)]

# Whose mean change of a value falls by 2 % or more from one severity to the next, as the published parameters make it:
# more of a darker frost, warps of other lengths, finer glass, less colour before more of it, water before mud.
FALLING = {
    SMALL: {"frost", "saturate"},
    MNIST: {"glass-blur", "snow", "frost", "elastic-transform", "pixelate", "spatter", "saturate"},
    CIFAR: {"glass-blur", "frost", "elastic-transform", "spatter", "saturate"},
    IMAGENET: {"glass-blur", "snow", "frost", "elastic-transform", "saturate"},
}


def draw_picture(shape, seed=0):
    """Return a smooth picture that uses all levels."""
    height, width, _ = shape
    x = gaussian_filter(RandomState(seed).rand(*shape), (height / 12, width / 12, 0))
    x = (x - x.min((0, 1))) / np.ptp(x, (0, 1))
    return (x * 255).astype(np.uint8)


def digest_all(severity=3, seed=0):
    """Return a digest of each corruption at each size."""
    return {
        f"{kind} {shape}": hashlib.sha256(corrupt(draw_picture(shape), kind, severity, seed).tobytes()).hexdigest()
        for shape in [*SHAPES, (224, 224, 3), (224, 224, 1)]
        for kind in KINDS
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_grey_and_colour_pictures_of_any_size_stay_such_and_change(shape, kind):
    x = draw_picture(shape)
    for severity in range(1, 6):
        found = corrupt(x, kind, severity)
        assert (found.shape, found.dtype) == (shape, np.uint8)
        assert severity < 3 or (found != x).any() or kind == "spatter"  # which may miss a small picture
    assert (x == draw_picture(shape)).all()


def test_another_process_makes_the_same_pictures_bit_for_bit():
    code = "import json; from tests.attacks.test_corruptions import digest_all; print(json.dumps(digest_all()))"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(process.stdout) == digest_all()


def test_a_seed_changes_what_is_drawn_and_nothing_else():
    drawn = {"defocus-blur", "zoom-blur", "brightness", "contrast", "pixelate", "jpeg-compression"}
    drawn |= {"gaussian-blur", "saturate"}  # which draw nothing
    x = draw_picture((32, 32, 3))
    same = {kind for kind in KINDS if (corrupt(x, kind, 4, 0) == corrupt(x, kind, 4, 1)).all()}
    assert same == drawn
    other = corrupt(draw_picture((32, 32, 3), 5), "gaussian-noise", 1).astype(int) - draw_picture((32, 32, 3), 5)
    noise = corrupt(x, "gaussian-noise", 1).astype(int) - x
    assert (other != noise).mean() > 0.5  # of another picture other numbers


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3), (224, 224, 3)], ids=str)
def test_the_change_grows_with_the_severity_but_where_the_published_one_does_not(shape):
    pictures = [draw_picture(shape, seed) for seed in range(2 if shape[0] == 224 else 24)]
    falling = set()
    for kind in KINDS:
        change = np.array(
            [np.mean([np.abs(corrupt(x, kind, k).astype(int) - x).mean() for x in pictures]) for k in range(1, 6)]
        )
        assert change[4] > 0
        if (np.diff(change) < -0.02 * change[:-1]).any():
            falling.add(kind)
    assert falling == FALLING[scheme_of(*shape[:2])]


@pytest.mark.parametrize(
    ("size", "scheme"), [(8, SMALL), (27, SMALL), (28, MNIST), (31, MNIST), (32, CIFAR), (127, CIFAR), (128, IMAGENET)]
)
def test_the_size_says_whose_parameters(size, scheme):
    assert scheme_of(size, 300) == scheme_of(300, size) == scheme
    assert {*PARAMETERS[scheme]} == {*KINDS}
    assert all(len(five) == 5 for five in PARAMETERS[scheme].values())


def test_there_are_the_usual_fifteen_and_four_more():
    assert (len(USUAL), len(KINDS), len({*KINDS})) == (15, 19, 19)


def test_noise_has_the_deviation_and_the_share_that_it_says():
    grey = np.full((96, 96, 3), 128, np.uint8)
    assert (corrupt(grey, "gaussian-noise", 5) / 255).std() == pytest.approx(0.1, rel=0.03)
    assert (corrupt(grey, "shot-noise", 5) / 255).std() == pytest.approx((128 / 255 / 50) ** 0.5, rel=0.03)
    assert (corrupt(grey, "speckle-noise", 5) / 255).std() == pytest.approx(0.2 * 128 / 255, rel=0.03)
    flipped = corrupt(grey, "impulse-noise", 5)
    assert {*np.unique(flipped)} == {0, 128, 255}
    assert (flipped != 128).mean() == pytest.approx(0.07, abs=0.005)


def test_colours_change_as_their_hue_saturation_and_value_do():
    x = draw_picture((32, 32, 3))
    brighter = corrupt(x, "brightness", 4).astype(int)
    assert np.abs(brighter.max(2) - np.minimum(x.max(2).astype(int) + 51, 255)).max() <= 1
    red = np.full((32, 32, 3), (200, 100, 100), np.uint8)
    assert corrupt(red, "saturate", 4)[0, 0].tolist() == [200, 0, 0]  # half saturated, times 2 and 0.1 more
    assert corrupt(red, "saturate", 1)[0, 0].tolist() == [200, 170, 170]
    grey = np.full((32, 32, 3), 200, np.uint8)
    assert corrupt(grey, "saturate", 5)[0, 0].tolist() == [200, 160, 160]  # the hue of grey is that of red
    means = x.mean((0, 1)), corrupt(x, "contrast", 5).mean((0, 1))
    assert means[1] == pytest.approx(means[0], abs=1)
    assert corrupt(x, "contrast", 5).std((0, 1)) == pytest.approx(0.15 * x.std((0, 1)), rel=0.05)


def test_files_and_coarse_pixels_are_those_of_pillow():
    x, file = draw_picture((32, 32, 3)), BytesIO()
    Image.fromarray(x).save(file, "JPEG", quality=40)
    assert (corrupt(x, "jpeg-compression", 5) == np.asarray(Image.open(file))).all()
    coarse = Image.fromarray(x).resize((20, 20), Image.Resampling.BOX).resize((32, 32), Image.Resampling.BOX)
    assert (corrupt(x, "pixelate", 5) == np.asarray(coarse)).all()


@pytest.mark.parametrize("kind", ["gaussian-blur", "defocus-blur", "glass-blur", "motion-blur", "zoom-blur"])
@pytest.mark.parametrize("shape", [(8, 8, 1), (32, 32, 3)], ids=str)
def test_blur_leaves_an_even_picture_as_it_is(kind, shape):
    even = np.full(shape, 77, np.uint8)
    assert np.abs(corrupt(even, kind, 5).astype(int) - even).max() <= 1  # rounding down


def test_the_swap_of_glass_copies_colours_and_swaps_grey_as_in_the_original():
    x = np.arange(32 * 32, dtype=np.uint8).reshape(32, 32, 1)
    swapped = np.rint(glass_blur(Picture(x, CIFAR), (0.0, 1, 1), RandomState(0)) * 255)
    assert (np.sort(swapped, axis=None) == np.sort(x, axis=None)).all()
    copied = np.rint(glass_blur(Picture(x.repeat(3, 2), CIFAR), (0.0, 1, 1), RandomState(0)) * 255)
    assert len(np.unique(copied)) < len(np.unique(x))


def test_mnist_blurs_grey_pictures_up_and_down_alone_as_in_the_original():
    columns = np.tile(np.arange(0, 252, 9, dtype=np.uint8), (28, 1))[..., None]
    assert (corrupt(columns, "gaussian-blur", 5) == columns).all()
    rows = columns.transpose(1, 0, 2)
    assert np.abs(corrupt(rows, "gaussian-blur", 5).astype(int) - rows).mean() > 5
    assert np.ptp(smooth(Picture(columns, CIFAR), columns / 255.0, 3)) < np.ptp(columns / 255.0)


def test_pictures_of_imagenets_size_are_stored_as_jpeg():
    x, file = draw_picture((224, 224, 3)), BytesIO()
    contrasted = np.floor(np.clip((x / 255 - x.mean((0, 1)) / 255) * 0.4 + x.mean((0, 1)) / 255, 0, 1) * 255 + 1e-9)
    Image.fromarray(contrasted.astype(np.uint8)).save(file, "JPEG", quality=85, optimize=True)
    assert (corrupt(x, "contrast", 1) == np.asarray(Image.open(file))).all()


def test_a_disk_is_round_and_weighs_one():
    for radius, edge in (*PARAMETERS[CIFAR]["defocus-blur"], *PARAMETERS[IMAGENET]["defocus-blur"]):
        disk = make_disk(radius, edge)
        assert disk.sum() == pytest.approx(1, abs=0.014 if radius >= 8 else 1e-6)  # too small a frame, as the original
        assert disk == pytest.approx(disk.T)
        assert (disk > 0.5 * disk.max()).sum() == pytest.approx(max(1, np.pi * radius**2), rel=0.2, abs=2)


def test_motion_drags_a_point_along_its_angle():
    point = np.zeros((33, 33, 1), np.uint8)
    point[16, 16] = 255
    level, down = drag(point, 6, 2, 0)[..., 0], drag(point, 6, 2, -90)[..., 0]
    assert level[16].sum() == level.sum() > 200
    assert down[:, 16].sum() == down.sum() > 200
    assert (level[16, :17] > 0).sum() > 4 > 1 == (level[16, 16:] > 0).sum()  # to one side alone


def test_plasma_and_ice_use_the_whole_range_at_any_size():
    for side in (8, 32, 256):
        for drawn in (draw_plasma(side, 2, RandomState(0)), draw_ice((side, side + 3), RandomState(0))):
            assert (drawn.min(), drawn.max()) == (0, 1)
    rough, smooth_ = draw_plasma(64, 1.4, RandomState(0)), draw_plasma(64, 3, RandomState(0))
    assert np.abs(np.diff(rough)).mean() > np.abs(np.diff(smooth_)).mean()


def test_edges_are_where_levels_jump_and_equal_shares_get_equal_steps():
    step = np.zeros((16, 16), np.uint8)
    step[:, 8:] = 200
    assert (find_edges(step).sum(), find_edges(step)[:, 7:9].sum()) == (16, 16)
    assert not find_edges(np.full((16, 16), 9, np.uint8)).any()
    assert equalize(np.array([[3, 3, 7, 9]], np.uint8)).tolist() == [[0, 0, 128, 255]]
    assert equalize(np.array([[5, 5]], np.uint8)).tolist() == [[5, 5]]


@pytest.mark.parametrize(
    ("x", "kind", "severity", "message"),
    [
        (draw_picture((32, 32, 3)), "fogg", 3, "unknown corruption 'fogg', did you mean 'fog'"),
        (draw_picture((32, 32, 3)), "fog", 6, "severity must be 1 to 5, got 6"),
        (draw_picture((7, 9, 3)), "fog", 3, "of 8 pixels a side or more, got uint8 of shape .7, 9, 3"),
        (np.zeros((9, 9, 4), np.uint8), "fog", 3, "1 or 3"),
        (np.zeros((9, 9, 3)), "fog", 3, "expected a picture of uint8, .* got float64"),
    ],
)
def test_wrong_arguments_are_one_line(x, kind, severity, message):
    with pytest.raises((ValueError, LookupError), match=message) as error:
        corrupt(x, kind, severity)
    assert "\n" not in str(error.value)
