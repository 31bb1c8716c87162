"""Transformed inputs are checked by scipy, from the text alone: what a planted fault of an attack makes is found."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks import Rng
from robust.attacks.threats.threat import read_threat
from robust.verification.candidates import Candidates
from robust.verification.check import ANSWERED_RIGHT, LARGE, NOT_MADE, describe_faults, verify
from robust.verification.distances import check_limits
from robust.verification.rounding import round_to_levels

N = 12
WORDS = [
    f"spatial:{word}:padding={padding}:interpolation={interpolation}"
    for word in ("rotate=180:translate=10%", "rotate=30:translate=1.5:scale=1.5", "scale=4", "translate=1")
    for padding in ("zeros", "border", "reflect")
    for interpolation in ("bilinear", "nearest")
]
SHAPES = [((1, 28, 28), (0.0, 1.0)), ((3, 32, 20), (-1.0, 1.0)), ((2, 1, 9), (0.5, 3.0))]


def candidates(text, shape=(1, 28, 28), bounds=(0.0, 1.0)):
    """Return images that an attack made, at the ends of the cube, its middle and inside, as candidates."""
    threat = read_threat(text, *bounds)
    x = Rng.of(0, torch.arange(N)).uniform(torch.zeros(N, *shape)) * (bounds[1] - bounds[0]) + bounds[0]
    x = x.clamp(*bounds)
    point = 2 * torch.rand(N, threat.dimensions, generator=torch.Generator().manual_seed(0)) - 1
    point[0], point[1], point[2] = 1, -1, 0
    theta = threat.settle(point, x)
    made = threat.apply(x, theta)
    return Candidates(made.numpy(), x.numpy(), np.zeros(N, np.int64), text, bounds, 4, theta=theta.numpy())


def limits(found):
    near, inside = check_limits(found)
    return (near & inside).tolist()


@pytest.mark.parametrize(("shape", "bounds"), SHAPES)
@pytest.mark.parametrize("text", WORDS)
def test_scipy_makes_the_same_images(text, shape, bounds):
    if shape[1] == 1 and "translate=1.5" in text:
        text = text.replace("translate=1.5", "translate=1")
    assert limits(candidates(text, shape, bounds)) == [True] * N


FAULTS = {
    "turned the other way": lambda theta: theta * np.float32([-1, 1, 1, 1]),
    "moved the other way": lambda theta: theta * np.float32([1, -1, 1, 1]),
    "ways along the axes swapped": lambda theta: theta[:, [0, 2, 1, 3]],
    "a hundredth of a degree more": lambda theta: theta + np.float32([0.01, 0, 0, 0]),
    "a hundredth of a pixel more": lambda theta: theta + np.float32([0, 0.01, 0, 0]),
    "enlarged by the inverse": lambda theta: theta ** np.float32([1, 1, 1, -1]),
    "radians": lambda theta: np.deg2rad(theta) * np.float32([1, 57.29578, 57.29578, 57.29578]),
    "NaN": lambda theta: theta * np.float32(np.nan),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_in_theta_is_found(fault):
    found = candidates("spatial:rotate=30:translate=2:scale=1.5")
    wrong = replace(found, theta=FAULTS[fault](found.theta))

    inner = range(3, N)  # the first three are as far one way as the other, or not transformed at all
    assert not any(np.array(limits(wrong))[inner])


@pytest.mark.parametrize(
    ("text", "made_by"),
    [
        ("spatial:rotate=30:translate=2", "spatial:rotate=30:translate=2:padding=border"),
        ("spatial:rotate=30:translate=2:padding=reflect", "spatial:rotate=30:translate=2:padding=border"),
        ("spatial:rotate=30:translate=2", "spatial:rotate=30:translate=2:interpolation=nearest"),
        ("spatial:rotate=29:translate=2", "spatial:rotate=30:translate=2"),
        ("spatial:rotate=30:translate=1.9", "spatial:rotate=30:translate=2"),
        ("spatial:rotate=30:translate=5%", "spatial:rotate=30:translate=2"),
        ("spatial:rotate=30", "spatial:rotate=30:translate=2"),
        ("spatial:rotate=30:scale=1.4", "spatial:rotate=30:scale=1.5"),
    ],
)
def test_a_image_of_another_threat_model_is_found(text, made_by):
    found = replace(candidates(made_by), threat=text)

    assert not all(limits(found)[:2])
    if "9" not in text and "5%" not in text and "1.4" not in text:
        assert not any(limits(found)[:2])


def test_a_changed_value_is_found():
    found = candidates("spatial:rotate=30:translate=2")
    found.x_adv[0, 0, 14, 14] += 1e-4 if found.x_adv[0, 0, 14, 14] < 0.5 else -1e-4

    assert limits(found) == [False, *[True] * (N - 1)]


def test_a_union_takes_what_one_part_takes():
    found = candidates("spatial:rotate=30:translate=2")
    found.x_adv[:3], found.theta[:3] = np.clip(found.x[:3] + np.float32(0.05), 0, 1), np.nan
    both = replace(found, threat="linf:0.1+spatial:rotate=30:translate=2")

    assert limits(both) == [True] * N
    assert limits(replace(found, threat="linf:0.01+spatial:rotate=30:translate=2")) == [*[False] * 3, *[True] * (N - 3)]
    assert limits(replace(both, theta=None)) == [*[True] * 3, *[False] * (N - 3)]


def test_the_clean_input_itself_is_admitted():
    """A random model may answer it wrong, and then no theta made what the attack returned."""
    found = candidates("spatial:rotate=30:translate=2")
    found.theta[:], found.x_adv[:] = np.nan, found.x

    assert limits(found) == [True] * N


def test_faults_are_named():
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 2))
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.copy_(torch.tensor([1.0, 0.0]))
    found = candidates("spatial:rotate=30:translate=2")
    found.theta[0, 0] += 1
    fault = verify(model, found).fault

    assert fault.tolist() == [NOT_MADE, *[ANSWERED_RIGHT] * (N - 1)]
    assert describe_faults(fault[:1]) == "1 not what a theta within the limits makes of the clean input"
    far = replace(found, threat="linf:0.001+spatial:rotate=1")
    far.theta[:2] = np.nan
    assert verify(model, far).fault.tolist()[3] == NOT_MADE
    assert verify(model, far).fault.tolist()[:3] == [LARGE, LARGE, ANSWERED_RIGHT]


def test_they_are_rounded_to_the_nearest_levels():
    found = candidates("spatial:rotate=30:translate=2")
    found = replace(found, x=np.rint(found.x * 255).astype(np.float32) / np.float32(255))
    threat = read_threat(found.threat)
    made = threat.apply(torch.from_numpy(found.x), torch.from_numpy(found.theta))
    stored, small = round_to_levels(replace(found, x_adv=made.numpy()), 256)

    assert small.all()
    assert np.abs(stored - made.numpy()).max() <= 0.5 / 255 + 1e-6
    assert np.allclose(stored * 255, np.rint(stored * 255), atol=1e-3)
