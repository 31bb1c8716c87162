"""Models that answer at random: the words, the answers that are formed, and verdicts beside closed forms."""

import math
from statistics import NormalDist

import pytest
import torch
from scipy.stats import binom
from torch import nn

from robust.attacks import PGD, Drawn, LpThreat, Noise, Product, Square, assail, minimize_norm, read_criterion
from robust.attacks.drawn import decide_answers
from robust.attacks.draws import LEVEL, SIZES, Draws, least_count
from robust.evaluation import measure_curve
from robust.models.ensemble import Ensemble

EPS, SIGMA, N = 0.1, 0.1, 4
BALL = LpThreat.parse(f"linf:{EPS}", lo=0, hi=1)


class Noisy(nn.Module):
    """Two logits, -z and z, of z = mean(x) - 1/2 + SIGMA times a normal number: label 0 is right where z is below 0."""

    def forward(self, x):
        z = x.mean(1) - 0.5 + SIGMA * torch.randn(len(x))
        return torch.stack([-z, z], 1)


class Coin(nn.Module):
    """Answers that are wrong for label 0 with the probability of the first feature."""

    def forward(self, x):
        wrong = (torch.rand(len(x)) < x[:, 0]).float()
        return torch.stack([1 - wrong, wrong], 1)


def worst_at(share: float, n: int = N):
    """Return inputs whose worst neighbour in the ball is answered wrong with this probability, and their labels."""
    return torch.full((n, 4), 0.5 - EPS + SIGMA * NormalDist().inv_cdf(share)), torch.zeros(n, dtype=torch.int64)


def coins(share: float, n: int = N):
    return torch.full((n, 1), share), torch.zeros(n, dtype=torch.int64)


@pytest.mark.parametrize("text", ["1", "majority:2", "mean:10", "mean:10000"])
def test_a_word_comes_back_as_it_was(text):
    assert str(Draws.parse(text)) == text
    assert str(Draws.parse(f" {text} ")) == text


@pytest.mark.parametrize(
    "text", ["", "0", "2", "1:1", "mean", "mean:", "mean:1", "mean:10001", "mean:²", "mean:1e9" * 9]
)
def test_another_word_is_refused_with_the_right_ones(text):
    with pytest.raises(ValueError, match=r"mean:\d+"):
        Draws.parse(text)


def test_the_whole_test_keeps_its_level():
    for size in SIZES:
        assert binom.sf(least_count(size) - 1, size, 0.5) <= LEVEL / len(SIZES)
        assert binom.sf(least_count(size) - 2, size, 0.5) > LEVEL / len(SIZES)


def test_a_fair_coin_is_shown_to_be_one_thing_or_the_other_in_a_hundredth_of_the_cases_each():
    torch.manual_seed(0)
    x, y = coins(0.5, 4000)
    tested = decide_answers(Drawn(Coin()), x, y, read_criterion("class"))

    assert int(tested.wrong.sum()) <= binom.isf(0.001, 4000, LEVEL)
    assert int(tested.right.sum()) <= binom.isf(0.001, 4000, LEVEL)
    assert int(tested.asked.max()) == SIZES[-1]


@pytest.mark.parametrize(("share", "side"), [(0.0, "right"), (0.38, "right"), (0.62, "wrong"), (1.0, "wrong")])
def test_clean_answers_get_the_verdict_of_their_probability(share, side):
    torch.manual_seed(1)
    tested = decide_answers(Drawn(Coin()), *coins(share, 400), read_criterion("class"))

    assert int(getattr(tested, side).sum()) >= 396
    assert not tested.faulty.any()
    assert int(tested.asked.min()) == SIZES[0]
    other = tested.wrong if side == "right" else tested.right
    assert int(other.sum()) <= binom.isf(0.001, 400, LEVEL) * (0 < share < 1)


@pytest.mark.slow
@pytest.mark.parametrize("word", ["1", "majority:5", "mean:5"])
@pytest.mark.parametrize(("share", "broken"), [(0.35, False), (0.65, True)])
def test_attacks_end_on_the_right_side_of_one_half_for_a_hundred_seeds(word, share, broken):
    x, y = worst_at(share, 1)
    found = [assail(Drawn(Noisy(), word), PGD(steps=10), x, y, BALL, seed=seed) for seed in range(100)]

    wrong_side = sum(bool(one.adversarial[0]) != broken for one in found)
    assert wrong_side <= binom.isf(0.001, 100, LEVEL)
    assert sum(int(one.undecided.sum()) for one in found) <= 5


@pytest.mark.parametrize("word", ["1", "majority:3", "mean:3"])
@pytest.mark.parametrize("attack", [PGD(steps=5), Square(steps=60), Noise(steps=40)], ids=["pgd", "square", "noise"])
def test_any_attack_tells_what_may_be_answered_wrong_from_what_may_not(word, attack):
    for share, broken in ((0.2, False), (0.97, True)):
        found = assail(Drawn(Noisy(), word), attack, *worst_at(share), BALL)

        assert found.adversarial.tolist() == [broken] * N
        assert BALL.admits(found.x_adv, worst_at(share)[0]).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_inputs_may_be_of_another_type(dtype):
    x, y = worst_at(0.95)
    found = assail(Drawn(Noisy()), PGD(steps=6), x.to(dtype), y, BALL)

    assert found.adversarial.all()
    assert found.x_adv.dtype == dtype


def test_what_no_test_decides_is_adversarial_and_told():
    found = assail(Drawn(Noisy()), PGD(steps=10), *worst_at(0.5, 8), BALL)

    assert int(found.undecided.sum()) >= 5
    assert (found.adversarial | ~found.undecided).all()


def test_a_clean_answer_that_is_wrong_more_often_than_not_is_adversarial_at_once():
    x, y = coins(0.8)
    found = assail(Drawn(Coin()), PGD(steps=2), x, y, BALL)

    assert found.adversarial.all()
    assert found.x_adv.equal(x)


def test_every_pass_is_counted():
    class Counting(Noisy):
        asked = 0

        def forward(self, x):
            Counting.asked += len(x)
            return super().forward(x)

    for word in ("1", "mean:3"):
        Counting.asked = 0
        cost = assail(Drawn(Counting(), word), PGD(steps=3), *worst_at(0.6), BALL).cost
        assert int(cost.forwards.sum()) == Counting.asked


def test_a_majority_is_that_of_the_votes():
    answers = torch.tensor([[[9.0, 0, 0]], [[0, 1.0, 0]], [[0, 1.0, 0]]])
    drawn = Drawn(nn.Identity(), "majority:3")

    assert drawn.form(answers).argmax(1).tolist() == [1]
    assert drawn.form(answers[:2]).argmax(1).tolist() == [0]  # the first of equal ones
    assert Drawn(nn.Identity(), "mean:3").form(answers).argmax(1).tolist() == [0]  # one is so sure
    assert Drawn(nn.Identity()).form(answers).argmax(1).tolist() == [0]


def test_votes_have_the_gradient_of_the_mean_probabilities_and_hide_no_nan():
    x = torch.randn(2, 3, requires_grad=True)
    votes = Drawn(nn.Identity(), "majority:4")(x)
    (grad,) = torch.autograd.grad(votes[:, 0].sum(), x)

    assert (votes.detach().exp() - 0.5).round().sum(1).tolist() == [4, 4]
    assert (grad[:, 0] > 0).all()
    assert Drawn(nn.Identity(), "majority:4")(torch.tensor([[1.0, math.nan]])).isnan().all()


@pytest.mark.parametrize("labels", ["class", "values", "bits"])
def test_a_mean_is_that_of_an_ensemble(labels):
    torch.manual_seed(0)
    members, x = [nn.Linear(4, 3) for _ in range(3)], torch.rand(5, 4)
    answers = torch.stack([member(x) for member in members])

    assert torch.equal(Drawn(members[0], "mean:3", labels).form(answers), Ensemble(members, labels)(x))


def test_an_answer_that_is_not_finite_is_a_fault_and_no_success():
    class Broken(Noisy):
        def forward(self, x):
            return super().forward(x) / (x[:, :1] > 0.45)

    x, y = worst_at(0.3)
    x[1] = 0.6
    found = assail(Drawn(Broken()), PGD(steps=2), x, y, BALL)

    assert found.faulty.tolist() == [True, False, True, True]
    assert found.adversarial.tolist() == [False, True, False, False]


def test_values_are_wrong_beyond_their_tolerance():
    class Values(nn.Module):
        def forward(self, x):
            return x.sum(1, keepdim=True) + 0.5 * torch.randn(len(x), 1)

    x = torch.full((N, 4), 0.5)
    for label, broken in ((2.0, False), (1.2, True)):
        found = assail(
            Drawn(Values(), "mean:4", "values"),
            PGD(steps=5, loss="margin"),
            x,
            torch.full((N, 1), label),
            BALL,
            criterion=read_criterion("within:0.8"),
        )
        assert found.adversarial.tolist() == [broken] * N


def test_several_inputs_are_those_of_the_model_that_draws():
    class Two(nn.Module):
        def forward(self, image, meta):
            z = image.mean(1) + meta.mean(1) - 1 + SIGMA * torch.randn(len(image))
            return torch.stack([-z, z], 1)

    x = {"image": torch.full((N, 4), 0.4), "meta": torch.full((N, 2), 0.45)}
    y = torch.zeros(N, dtype=torch.int64)
    for eps, broken in ((0.05, False), (0.4, True)):
        threat = Product.parse(f"image=linf:{eps}", x)
        found = assail(Drawn(Two(), "majority:3"), PGD(steps=8), x, y, threat)
        assert found.adversarial.tolist() == [broken] * N
        assert torch.equal(found.x_adv["meta"], x["meta"])


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="a majority is of classes"):
        Drawn(Noisy(), "majority:3", "values")
    with pytest.raises(ValueError, match="no smallest distance"):
        minimize_norm(Drawn(Noisy()), PGD(), *worst_at(0.4), "linf")
    with pytest.raises(ValueError, match="no smallest distance"):
        measure_curve(Drawn(Noisy()), *worst_at(0.4), "linf")
