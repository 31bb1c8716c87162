"""The threat model of corruptions: its words, what it admits, the attack that shows them all, and the check of both."""

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks import ATTACKS, Corruptions, CorruptionThreat, LpThreat, Noise, Rng, Union, assail, make
from robust.attacks.corruptions.kinds import HELD_OUT, KINDS, USUAL
from robust.attacks.families import find_unfit
from robust.attacks.grammar.corruption import list_corruptions, read_corruptions
from robust.attacks.threats.threat import read_threat
from robust.attacks.words import canonical_threat, families_of, has_eps
from robust.data.dataset import Samples
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.corruptions import measure_corruptions
from robust.evaluation.time_limit import Deadline
from robust.verification.candidates import Candidates
from robust.verification.distances import check_limits

N = 24


def draw(shape, n=N, lo=0.0, hi=1.0):
    x = torch.rand((n, *shape), generator=torch.Generator().manual_seed(0))
    return lo + (hi - lo) * (x * 255).round() / 255


X = draw((1, 8, 8))
Y = torch.arange(N) % 3


def net(shape=(1, 8, 8)):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 3)).eval()


MODEL = net()
Y = MODEL(X).argmax(1)  # so that all are answered right


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("corruption:3", "corruption:3"),
        ("corruption:3:usual", "corruption:3"),
        (" corruption: 5 :held_out", "corruption:5:held-out"),
        ("corruption:1:gaussian_noise:seed=7", "corruption:1:gaussian-noise:seed=7"),
        ("corruption:1:seed=0", "corruption:1"),
        ("linf:8/255+corruption:3", "linf:8/255+corruption:3"),
    ],
)
def test_words_are_spelled_in_one_way(text, canonical):
    assert canonical_threat(text) == canonical_threat(canonical) == canonical
    assert str(read_threat(text)) == canonical
    assert "corruption" in families_of([canonical])
    assert not has_eps(canonical)


def test_a_word_names_a_group_or_one_kind():
    assert read_corruptions("corruption:3").kinds == USUAL
    assert read_corruptions("corruption:3:held-out").kinds == HELD_OUT
    assert read_corruptions("corruption:3:all").kinds == KINDS
    assert read_corruptions("corruption:3:fog").kinds == ("fog",)
    assert [*list_corruptions("linf:1+corruption:2:fog")] == ["fog"]
    assert [*list_corruptions("corruption:2:fog+corruption:3:fog")] == ["fog 2", "fog 3"]
    assert not list_corruptions("linf:0.1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("corruption", "the severity must be 1 to 5"),
        ("corruption:0", "must be 1 to 5, .* got '0'"),
        ("corruption:2.5", "got '2.5'"),
        ("corruption:3:fogg", "unknown corruption 'fogg', did you mean 'fog'"),
        ("corruption:3:fog:snow", "'snow' is not known here"),
        ("corruption:3:sed=1", "'sed=1' is not known here"),
        ("corruption:3:seed=-1", "a whole number of 0 or more, got '-1'"),
        ("corruption:3:seed=" + "9" * 30, "a whole number"),
        ("coruption:3", "did you mean 'corruption'"),
    ],
)
def test_a_wrong_word_is_one_line(text, message):
    with pytest.raises(ValueError, match=message) as error:
        canonical_threat(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("shape", [(1, 8, 8), (8, 8), (3, 32, 32), (1, 28, 28)])
@pytest.mark.parametrize(("lo", "hi"), [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)])
def test_corruptions_are_admitted_by_both_checks_and_nothing_else_is(shape, lo, hi):
    x = draw(shape, 3, lo, hi)
    threat = CorruptionThreat.parse("corruption:3:all", lo, hi)
    for kind in KINDS:
        found = threat.apply(x, kind)
        assert (found.shape, found.dtype) == (x.shape, x.dtype)
        assert float(found.min()) >= lo
        assert float(found.max()) <= hi
    for found in (threat.apply(x, "fog"), threat.sample(x, Rng.of(0, torch.arange(3)))):
        assert threat.admits(found, x).all()
        assert check_both(found, x, str(threat), lo, hi).all()
        planted = found.clone()
        planted.view(3, -1)[1, 5] += (hi - lo) / 255 * (1 if planted.view(3, -1)[1, 5] < (lo + hi) / 2 else -1)
        assert threat.admits(planted, x).tolist() == [True, False, True]
        assert check_both(planted, x, str(threat), lo, hi).tolist() == [True, False, True]
    other = CorruptionThreat.parse("corruption:4:all", lo, hi).apply(x, "fog")
    assert not threat.admits(other, x).any()
    assert not check_both(other, x, str(threat), lo, hi).any()
    assert not threat.admits(threat.apply(x, "fog").roll(1, 0), x).any()


def check_both(x_adv, x, word, lo=0.0, hi=1.0):
    small, inside = check_limits(Candidates(x_adv.numpy(), x.numpy(), np.zeros(len(x)), word, (lo, hi), 8))
    return small & inside


def test_an_input_may_be_of_either_part_of_a_union():
    word = "linf:0.02+corruption:3:fog"
    threat = read_threat(word)
    moved, fog = (X + 0.01).clamp(0, 1), threat.parts[1].apply(X, "fog")
    mixed = (fog + 0.01).clamp(0, 1)
    for found, admitted in ((moved, True), (fog, True), (mixed, False)):
        assert threat.admits(found, X).all() == check_both(found, X, word).all() == admitted
    with pytest.raises(ValueError, match="all with the same bounds"):
        Union((LpThreat.parse("linf:0.1", 0, 1), CorruptionThreat.parse("corruption:1", -1, 1)))


@pytest.mark.parametrize("word", ["corruption:5", "corruption:5:held-out", "corruption:5:fog"])
def test_those_fall_that_any_corruption_fools_and_no_others(word):
    threat = CorruptionThreat.parse(word)
    wrong = torch.stack([MODEL(threat.apply(X, kind)).argmax(1) != Y for kind in threat.kinds]).any(0)
    found = assail(MODEL, Corruptions(), X, Y, threat)
    assert (found.adversarial == wrong).all()
    assert int(wrong.sum()) > 0
    assert threat.admits(found.x_adv[wrong], X[wrong]).all()
    assert found.cost.forwards.max() == 1 + len(threat.kinds)
    assert found.cost.forwards[wrong].min() <= 1 + len(threat.kinds)


def test_a_sample_is_corrupted_alike_in_any_batch_order_and_process_seed():
    threat = CorruptionThreat.parse("corruption:4:glass-blur:seed=3")
    whole = threat.apply(X, "glass-blur")
    order = torch.randperm(N, generator=torch.Generator().manual_seed(1))
    assert (threat.apply(X[order], "glass-blur") == whole[order]).all()
    assert (threat.apply(X[5:6], "glass-blur") == whole[5:6]).all()
    found = [assail(MODEL, Corruptions(), X, Y, threat, seed=seed).x_adv for seed in (0, 1)]
    assert (found[0] == found[1]).all()
    other = CorruptionThreat.parse("corruption:4:glass-blur:seed=4").apply(X, "glass-blur")
    assert not (other == whole).flatten(1).all(1).any()


def test_noise_draws_from_the_corruptions_and_other_attacks_are_not_for_them():
    assert {name for name in ATTACKS.names() if not find_unfit(ATTACKS.get(name), "corruption")} == {
        "corruptions",
        "noise",
        "worstof",
    }
    threat = CorruptionThreat.parse("corruption:5")
    exact = assail(MODEL, Corruptions(), X, Y, threat).adversarial
    assert not (assail(MODEL, Noise(steps=5), X, Y, threat).adversarial & ~exact).any()
    with pytest.raises(ValueError, match=r"^pgd is for .*, the threat is corruption; use corruptions, or a suite"):
        assail(MODEL, make("pgd"), X, Y, threat)
    with pytest.raises(ValueError, match=r"^corruptions is for corruption, the threat is linf"):
        assail(MODEL, make("corruptions"), X, Y, LpThreat.parse("linf:0.1"))
    with pytest.raises(TypeError, match=r"give CorruptionThreat.parse\('corruption:3', lo=0, hi=1\)"):
        assail(MODEL, Corruptions(), X, Y, "corruption:3")


@pytest.mark.parametrize("shape", [(64,), (4, 8, 8), (2, 8, 8), (1, 7, 8), (3, 3, 8, 8)])
def test_what_is_no_picture_is_refused_in_one_line(shape):
    with pytest.raises(
        ValueError, match=r"^corruption is for pictures, grey or in colour, of 8 pixels a side"
    ) as error:
        CorruptionThreat.parse("corruption:3").apply(torch.rand(2, *shape), "fog")
    assert "\n" not in str(error.value)


def samples(n=N):
    return Samples(X.numpy()[:n], Y.numpy()[:n], np.arange(n))


def test_the_answer_to_each_corruption_of_each_sample_is_kept():
    threat = read_threat("linf:0.01+corruption:5")
    found = measure_corruptions(MODEL, samples(), threat, RunOptions(Batcher(7)))
    part = threat.parts[1]
    expected = torch.stack([MODEL(part.apply(X, kind)).argmax(1) == Y for kind in USUAL], 1)
    assert (found.right == expected.numpy()).all()
    assert found.asked == N * len(USUAL)


def test_what_there_was_no_time_for_is_not_counted():
    over = RunOptions(Batcher(7), deadline=Deadline(0))
    found = measure_corruptions(MODEL, samples(), read_threat("corruption:5"), over)
    assert np.isnan(found.right).all()
    assert found.asked == 0
