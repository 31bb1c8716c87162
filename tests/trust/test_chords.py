"""Chords lead from each input towards the nearest inputs with another answer, as far as the ball allows."""

import pytest
import torch
from torch import nn

from robust.attacks import LpThreat, assail
from robust.attacks.rng import Rng
from robust.attacks.task import Task
from robust.trust.chords import Chords

OTHERS = torch.tensor([[0.9, 0.5], [0.5, 0.6], [0.5, 1.0], [0.1, 0.5]], dtype=torch.float64)
ANSWERS = torch.tensor([1, 0, 1, 1])
X, Y = torch.tensor([[0.6, 0.5]], dtype=torch.float64), torch.tensor([0])


class Wall(nn.Module):
    """The second class begins where the first feature is above 0.7; the logits show no way there."""

    def forward(self, x):
        beyond = (x[:, :1] > 0.7).to(x)
        return torch.cat([1 - beyond, beyond], 1)


@pytest.mark.parametrize(
    ("threat", "ways"),
    [
        ("linf:0.05", [[0.65, 0.5], [0.55, 0.5], [0.55, 0.55]]),
        ("l2:0.05", [[0.65, 0.5], [0.55, 0.5]]),
        ("l1:0.05", [[0.65, 0.5], [0.55, 0.5]]),
    ],
)
def test_the_nearest_input_with_another_answer_comes_first(threat, ways):
    ball = LpThreat.parse(threat)
    task = Task.of(Wall(), X, Y, ball, Rng.of(0, torch.arange(1)))
    chords = Chords(OTHERS, ANSWERS, 9)
    state = chords.init(task)
    seen = [state.x]
    for k in range(len(ways) - 1):
        state = chords.step(task, state, k)
        seen.append(state.x)

    assert torch.allclose(torch.cat(seen), torch.tensor(ways, dtype=torch.float64), atol=1e-9)
    assert all(ball.admits(x, X).all() for x in seen)


@pytest.mark.parametrize(("eps", "found"), [(0.05, False), (0.15, True)])
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_a_wall_within_the_ball_is_found_without_a_gradient(norm, eps, found):
    outcome = assail(Wall(), Chords(OTHERS, ANSWERS, 9), X, Y, LpThreat.parse(f"{norm}:{eps}"))

    assert bool(outcome.adversarial[0]) == found


def test_without_an_input_of_another_class_nothing_is_found():
    outcome = assail(Wall(), Chords(OTHERS[1:2], ANSWERS[1:2], 9), X, Y, LpThreat.parse("linf:0.15"))

    assert not outcome.adversarial.any()
