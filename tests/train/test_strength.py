"""The figure of quick-1 on validation: beside that of the attack that selects, and at a small share of the cost."""

from torch import nn

from robust.attacks import LpThreat
from robust.data.dataset import DATA
from robust.train.cache import train
from robust.train.card import SELECTION_NAME, describe_card, summarise_card
from robust.train.factory import read_recipe
from robust.train.setup import TrainingSpec
from robust.train.strength import LEAST, SHARE, count_samples
from robust.train.validate import SELECTION_ATTACK

DIGITS = DATA.get("digits")


class Counted(nn.Module):
    """A linear model that counts the samples that it answers, and those for which a gradient is asked."""

    passes = 0

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

    def forward(self, x):
        answer = self.net(x)
        type(self).passes += len(x)
        if answer.requires_grad:
            answer.register_hook(lambda grad: self.count_backward(2 * len(x)))
        return answer

    @classmethod
    def count_backward(cls, n):
        cls.passes += n


def trained(folder, recipe, threat="linf:0.1"):
    return train(TrainingSpec(Counted, recipe, DIGITS, LpThreat.parse(threat), 0, "net"), folder)


def test_the_selection_attack_is_named_as_it_is():
    assert f"PGD-{SELECTION_ATTACK.steps}" == SELECTION_NAME


def test_the_card_tells_what_quick_1_leaves_and_each_figure_says_what_measured_it(tmp_path):
    card = trained(tmp_path, "pgd-at:epochs=2:steps=2").card
    best, suite, n = card["best"], card["suite"], card["selected_by"]["n"]

    assert (suite["name"], suite["n"]) == ("quick-1", LEAST)
    assert suite["robust"] == int(LEAST * suite["robust"]) / LEAST
    figures = (
        f"clean {best['clean']:.1%}, PGD-10 {best['robust']:.1%}, quick-1 {suite['robust']:.1%} (on {LEAST} of {n})"
    )
    assert describe_card(card).endswith(f" s; on validation: {figures}")
    assert summarise_card(card)["suite"] == suite


def test_a_recipe_that_selects_by_clean_accuracy_is_not_attacked(tmp_path):
    card = trained(tmp_path, "standard:epochs=1").card

    assert "suite" not in card
    assert describe_card(card).endswith(f" s; on validation: clean {card['best']['clean']:.1%}")


def test_the_suite_takes_a_small_share_of_the_training(tmp_path, monkeypatch):
    passes = []
    monkeypatch.setattr(
        "robust.train.cache.measure_strength",
        lambda *args, **options: passes.append(Counted.passes) or measure(*args, **options),
    )
    from robust.train.strength import measure_strength as measure

    Counted.passes = 0
    card = trained(tmp_path, "pgd-at:epochs=6:steps=10").card
    assert card["suite"]["n"] >= LEAST
    assert Counted.passes - passes[0] < 1.1 * SHARE * passes[0]


def test_a_long_training_is_measured_on_all_that_selects():
    method = read_recipe("pgd-at:epochs=30")

    assert count_samples(method, 45_000, 1000, 30) == 1000
    assert count_samples(method, 1000, 20, 1) == 20
