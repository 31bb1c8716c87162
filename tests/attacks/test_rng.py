import pytest
import torch

from robust.attacks import LpThreat, Rng
from robust.attacks.rng import seeded

TYPES = [torch.bfloat16, torch.float16, torch.float32, torch.float64]


def keys(n, seed=0):
    return Rng.of(seed, torch.arange(n))


def test_a_sample_draws_the_same_in_every_batch():
    like = torch.zeros(10, 3, 4)
    whole = keys(10).uniform(like)

    order = torch.tensor([7, 2, 9])
    assert torch.equal(Rng.of(0, order).uniform(like[:3]), whole[order])
    assert torch.equal(keys(10).only(order).uniform(like[:3]), whole[order])


def test_drawing_changes_nothing(rng_untouched):
    rng, like = keys(5), torch.zeros(5, 8)

    assert torch.equal(rng.uniform(like), rng.uniform(like))


@pytest.mark.parametrize("other", [keys(100, seed=1), keys(100).fold(0), keys(100).fold(1)])
def test_other_seeds_and_streams_are_other_numbers(other):
    like = torch.zeros(100, 100, dtype=torch.float64)
    a, b = keys(100).uniform(like), other.uniform(like)

    assert (a == b).sum() == 0
    assert abs(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]) < 0.05


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**63 + 5, 2**64 - 1])
def test_every_seed_works(seed):
    assert Rng.of(seed, torch.arange(3)).fold(seed).uniform(torch.zeros(3, 2)).isfinite().all()


@pytest.mark.parametrize("dtype", TYPES)
def test_uniform_numbers_fill_the_unit_interval_evenly(dtype):
    drawn = keys(200).uniform(torch.zeros(200, 500, dtype=dtype)).double()

    assert drawn.min() >= 0
    assert 0.99 < drawn.max() < 1
    counts = torch.histc(drawn, bins=16, min=0, max=1)
    chi_square = ((counts - 6250) ** 2 / 6250).sum()
    assert chi_square < 37.7  # 99.9 % quantile, 15 degrees of freedom


def test_float32_and_float64_agree_to_float32_precision():
    a, b = (keys(4).uniform(torch.zeros(4, 50, dtype=dtype)) for dtype in (torch.float32, torch.float64))

    assert torch.allclose(a.double(), b, atol=2**-23)


@pytest.mark.parametrize("dtype", TYPES)
def test_normal_numbers_have_the_moments_of_a_normal(dtype):
    drawn = keys(400).normal(torch.zeros(400, 500, dtype=dtype)).double()

    assert abs(drawn.mean()) < 0.01
    assert abs(drawn.std() - 1) < 0.01
    assert abs((drawn**4).mean() - 3) < 0.1
    assert drawn.isfinite().all()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("text", ["linf:0.4", "l2:2", "l1:4"])
def test_every_start_is_a_number_and_admitted_in_every_type(text, dtype):
    threat, x = LpThreat.parse(text), torch.full((400, 16), 0.5, dtype=dtype)
    start = threat.sample(x, keys(400))

    assert start.dtype == dtype
    assert threat.admits(start, x).all()
    assert threat.size(start, x).mean() > 0.5 * float(threat.eps)


def test_a_seed_draws_the_same_for_ever():
    """Records must stay reproducible."""
    like = torch.zeros(1, 2)

    torch.testing.assert_close(
        keys(1, seed=7).uniform(like), torch.tensor([[0.838419497013092, 0.06129676103591919]]), rtol=0, atol=0
    )
    torch.testing.assert_close(keys(1, seed=7).normal(like), torch.tensor([[-0.4675251841545105, 0.7210648059844971]]))


@pytest.mark.parametrize("seed", [10**18 - 1, (10**18 - 1) * 1_000_003, 2**64])
def test_a_seed_may_have_any_number_of_digits(seed, rng_untouched):
    with seeded(seed):
        drawn = torch.rand(3)
    with seeded(seed % 2**63):
        assert torch.equal(torch.rand(3), drawn)
