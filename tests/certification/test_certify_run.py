"""The run of a certification: what it keeps, goes on from, shares out, and does when its time is up."""

import re
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest
import torch
from torch import nn

from robust.attacks.threats.threat import read_threat
from robust.certification import journal as journals
from robust.certification.certify import Certifier, certify
from robust.certification.cost import Cost, measure_cost
from robust.certification.interrupt import check_stopped
from robust.certification.journal import Journal, Known, open_journal
from robust.certification.radius import Aim, RadiusSearch
from robust.data.dataset import Samples
from tests.distributed.together import together

N = 40


@cache
def make():
    """Return (a certifier of batches of 8, 40 samples, those that are answered right: all but three)."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))
    x = torch.rand(N, 6)
    y = net(x).argmax(1)
    y[:3] = (y[:3] + 1) % 3
    certifier = Certifier.of(net, x[:1], read_threat("linf:0.05"))
    samples = Samples(x.numpy(), y.numpy(), np.arange(N))
    return replace(certifier, limits=dict.fromkeys(("ibp", "crown"), 8)), samples, np.arange(N) >= 3


def count_bounds(monkeypatch, most=10**9):
    """Return the list of (method, samples) that are bounded from now on; after so many the run is killed."""
    calls, bound = [], Certifier.bound

    def count(self, x, y, method):
        if len(calls) == most:
            raise KeyboardInterrupt
        calls.append((method, len(x)))
        return bound(self, x, y, method)

    monkeypatch.setattr(Certifier, "bound", count)
    return calls


def test_the_dearer_method_is_asked_only_for_what_the_cheaper_leaves_open(monkeypatch):
    calls = count_bounds(monkeypatch)
    found = certify(*make(), "crown")

    asked = {method: sum(n for each, n in calls if each == method) for method in ("ibp", "crown")}
    assert asked == {"ibp": N - 3, "crown": N - 3 - found.by["ibp"]}
    assert 0 < found.by["ibp"] < found.by["ibp"] + found.by["crown"] == found.certified.sum() < N - 3
    assert np.isneginf(found.margin[:3]).all()
    assert (found.certified == (found.margin > 0)).all()


@pytest.mark.parametrize("most", [2, 6])
def test_killed_it_goes_on_and_ends_with_the_same_certificate(tmp_path, monkeypatch, most):
    monkeypatch.setattr(journals, "EVERY", -1.0)
    run = partial(certify, *make(), "crown")
    reopen = partial(open_journal, tmp_path, read_threat("linf:0.05"), "ab" * 8)
    with monkeypatch.context() as patch:
        calls = count_bounds(patch)
        whole = run()
    with monkeypatch.context() as patch:
        count_bounds(patch, most)
        journal = reopen()
        with pytest.raises(KeyboardInterrupt):
            run(journal=journal)

    correct = make()[2]
    certified, still, left = map(int, re.findall(r"\d+", reopen().describe(correct, "crown")))
    assert certified + still + left == N - 3
    assert left > 0
    assert (certified > 0, still > 0) == (True, most == 6)  # the last batch is of crown
    left = count_bounds(monkeypatch)
    found = run(journal=reopen())
    assert left == calls[most:]
    assert (found.outcome, found.by) == (whole.outcome, whole.by)
    assert np.array_equal(found.margin, whole.margin)


def test_what_one_method_has_bounded_another_does_not_bound_again(tmp_path, monkeypatch):
    run = partial(certify, *make(), journal=Journal(tmp_path))
    cheap = run("ibp")
    calls = count_bounds(monkeypatch)
    both = run("crown")

    assert {method for method, _ in calls} == {"crown"}
    assert both.by["ibp"] == cheap.certified.sum()
    again = run("ibp")
    assert (again.method, again.by) == ("ibp", {"ibp": both.certified.sum()})


@pytest.mark.parametrize("damage", [b"", b"x" * 300])
def test_a_damaged_journal_is_none(tmp_path, damage):
    (tmp_path / journals.FILE).write_bytes(damage)

    assert Journal(tmp_path).describe(make()[2], "ibp") == ""
    assert certify(*make(), "ibp", journal=Journal(tmp_path)).outcome == certify(*make(), "ibp").outcome


def test_a_journal_of_other_weights_or_samples_is_another(tmp_path):
    certifier, samples, _ = make()
    key = certifier.hash(samples, tmp_path)
    other = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3))

    assert replace(certifier).hash(samples, tmp_path) == key
    assert replace(certifier, module=other).hash(samples, tmp_path) != key
    assert replace(certifier, parts=read_threat("linf:0.06").parts).hash(samples, tmp_path) != key
    assert certifier.hash(samples.take(np.arange(5)), tmp_path) != key


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(ValueError, match="what is certified could not be written: "):
        open_journal(tmp_path / "file", read_threat("linf:0.1"), "ab" * 8)


@pytest.mark.parametrize("after", [0, 1, 12])
def test_time_that_is_up_leaves_samples_open_and_the_journal_keeps_the_rest(tmp_path, after):
    asked = []
    run = partial(certify, *make(), "crown", journal=Journal(tmp_path))
    found = run(stop=lambda: asked.append(1) or len(asked) > after)

    whole = certify(*make(), "crown")
    assert found.partial == "time"
    assert found.certified.sum() < whole.certified.sum()
    assert not (found.certified & ~whole.certified).any()
    assert run().outcome == whole.outcome


def share(ranks):
    found = certify(*make(), "crown", journal=Journal(None, ranks))
    stopped = certify(*make(), "ibp", stop=lambda: ranks.rank == 1, journal=Journal(None, ranks))
    return found.outcome, found.by, stopped.partial, *find_radii(Journal(None, ranks), ranks.rank)


def find_radii(journal, rank=0):
    """Return the certified radii, rounded since the slack is that of a batch, and why none are found without time."""
    certifier, samples, correct = make()
    search = RadiusSearch(certifier, samples, Aim(np.zeros(N), np.where(correct, 0.05, 0), 0.05), journal=journal)
    found = search.run("ibp").radius
    return found.round(6).tolist(), replace(search, stop=lambda: rank == 1).run("ibp").partial


def test_ranks_share_the_samples_and_all_know_the_same_and_one_whose_time_is_up_ends_all():
    alone = certify(*make(), "crown")

    radii, _ = find_radii(Journal())
    assert together(2, share) == [(alone.outcome, alone.by, "time", radii, "time")] * 2
    assert max(radii) > 0


def test_without_a_limit_a_bound_is_not_ended():
    assert check_stopped() is None


def test_what_it_will_cost_is_measured_on_a_few_samples(monkeypatch):
    certifier, samples, correct = make()
    calls = count_bounds(monkeypatch)
    cost = measure_cost(certifier, samples, correct, "crown")

    (first, second), (third, fourth) = calls[:2], calls[2:]
    assert (first, second, third) == (("ibp", 1), ("ibp", 8), ("crown", 1))
    assert fourth[0] == "crown"
    assert 0 < fourth[1] < 8  # what ibp leaves open takes longest
    assert (cost.left, [*cost.paces], cost.slow) == ({"ibp": N - 3, "crown": N - 3}, ["ibp", "crown"], "")
    assert measure_cost(certifier, samples, correct & False, "crown").describe() == "0 samples to certify"


def test_what_is_known_costs_no_more(tmp_path):
    certifier, samples, correct = make()
    certify(certifier, samples, correct, "ibp", journal=Journal(tmp_path))
    known = Journal(tmp_path).read(N)
    left = int((correct & ~(known.margin > 0)).sum())
    cost = measure_cost(certifier, samples, correct, "crown", known=known)

    assert (cost.left, 0 < left < N - 3) == ({"ibp": 0, "crown": left}, True)
    assert cost.describe().startswith(f"{left} samples to certify, at most about ")
    assert (
        known.describe(correct, "crown")
        == f"{N - 3 - left} samples certified, 0 left open by crown, {left} not yet settled"
    )
    assert (
        known.describe(correct, "ibp")
        == f"{N - 3 - left} samples certified, {left} left open by ibp, 0 not yet settled"
    )
    assert Known.of_none(N).describe(correct, "ibp") == ""


def test_measuring_takes_an_eighth_of_the_time_at_most(monkeypatch):
    cost = measure_cost(*make(), "crown", seconds=0.0)

    assert (cost.paces, cost.slow) == ({}, "ibp")
    assert cost.describe() == "37 samples to certify, and one alone takes ibp longer than can be waited for here"
    assert cost.limit(2.0)["crown"] == 1
    assert cost.share("crown", 5) == 0
    monkeypatch.setattr("robust.certification.cost.LONG", 0.0)
    assert [*measure_cost(*make(), "crown").paces] == ["ibp", "crown"]


def test_the_cost_is_one_line_and_limits_batches():
    cost = Cost({"ibp": 0.004, "crown": 0.5}, {"ibp": 1000, "crown": 1000}, processes=2)

    assert cost.describe() == "1000 samples to certify, at most about 4.2 min; a sample: ibp 0.004 s, crown 0.5 s"
    assert cost.limit(2.0) == {"ibp": 500, "crown": 4, "alpha-crown": 1}
    assert cost.limit(0.1)["crown"] == 1
    assert 0 == cost.share("ibp", 1000) < cost.share("ibp", 0) < cost.share("crown", 500) < cost.share("crown", 0) == 1


def test_what_was_asked_further_before_counts_for_the_method_that_is_asked_now():
    known = Known(np.array([1, 1, -1, 1], np.float32), np.array([1, 2, 2, 3], np.int8))
    correct = np.ones(4, bool)

    assert known.conclude("crown", correct, "").by == {"ibp": 1, "crown": 2}
    assert known.conclude("alpha-crown", correct, "").by == {"ibp": 1, "crown": 1, "alpha-crown": 1}
    assert known.find_left(correct, 1).tolist() == []
    assert known.find_left(correct, 2).tolist() == [2]
