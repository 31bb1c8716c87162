"""A suite on a model: robust samples are attacked, the hardest first; stopped and resumed, it ends the same."""

import math
import shutil
from dataclasses import replace
from functools import partial
from itertools import count

import numpy as np
import pytest
import torch
from torch import nn

import robust.evaluation.attack_run
import robust.evaluation.suite_run
from robust.attacks.suite import Stage, Suite
from robust.attacks.threats.threat import read_threat
from robust.data.dataset import Samples
from robust.evaluation.attack_run import AttackRun, RunOptions
from robust.evaluation.batching import Batcher
from robust.evaluation.measure import measure_attack, measure_clean
from robust.evaluation.suite_cache import SuiteCache
from robust.evaluation.suite_run import SampleState, SuiteRun, has_paid, narrow_threat, share_left
from robust.evaluation.time_limit import GATE, TIME, Limits
from tests.attacks.models import inputs, network

WEAK, STRONG = "pgd:steps=1:stride=0.3:start=0", "pgd:loss=margin:steps=10:stride=1:last=0.01"
SUITE = Suite(
    "test-1",
    (
        Stage(WEAK),
        Stage("fgsm:restarts=2", hardest=0.5),
        Stage("pgd:loss=margin:steps=2:restarts=4", hardest=0.5, patience=2),
        Stage(f"{STRONG}:targets=9"),
    ),
)
MODEL = network(dtype=torch.float32)


def samples(n=60):
    x = inputs(n, dtype=torch.float32)
    return Samples(x.numpy(), MODEL(x).argmax(1).numpy(), 3 * np.arange(n))


def make_run(suite=SUITE, threat="linf:0.03", module=MODEL, classes=10, **changes):
    return SuiteRun(module, samples(), suite, read_threat(threat), classes, RunOptions(Batcher(17)), **changes)


def run(made):
    return made.run(measure_clean(made.module, made.samples, batcher=Batcher(17)).correct)


def outcome(found):
    """Return all results that must not depend on when a run was stopped."""
    stages = [(stage.attack, stage.n, stage.adversarial, stage.forwards, stage.backwards) for stage in found.stages]
    return (
        found.adversarial.tolist(),
        found.x_adv.tolist(),
        found.forwards,
        found.backwards,
        found.fault.tolist(),
        stages,
    )


@pytest.mark.parametrize(
    ("found", "attacked", "paid"),
    [(0, 0, False), (0, 50, False), (1, 1, True), (1, 100, True), (1, 101, False), (2, 200, True)],
)
def test_a_round_pays_if_a_hundredth_of_what_it_attacked_fell(found, attacked, paid):
    assert has_paid(found, attacked) == paid


def test_each_stage_goes_on_with_what_those_before_it_left():
    found = run(make_run())
    adversarial = [stage.adversarial for stage in found.stages]

    assert adversarial == sorted(adversarial)
    assert 0 < adversarial[0] < adversarial[-1] == found.adversarial.sum() < 60
    assert found.stages[0].n == 60
    assert found.stages[-1].n == 60 - adversarial[-2]
    assert (found.stages[-1].forwards, found.stages[-1].backwards) == (found.forwards, found.backwards)


def test_what_it_finds_is_as_judged_by_the_model():
    found = run(make_run())
    x_adv, given = torch.from_numpy(found.x_adv), samples()
    rows = np.flatnonzero(found.adversarial)

    assert len(x_adv) == len(rows)
    assert (MODEL(x_adv).argmax(1).numpy() != given.y[rows]).all()
    assert read_threat("linf:0.03").admits(x_adv, torch.from_numpy(given.x[rows])).all()


def test_one_stage_finds_what_its_attack_finds_but_for_other_random_numbers():
    once = run(make_run(Suite("one-1", (Stage("fgsm"),))))
    given = samples()
    plain = measure_attack(MODEL, given, np.ones(60, bool), "fgsm", read_threat("linf:0.03"))

    assert once.adversarial.tolist() == plain.adversarial.tolist()
    assert (once.forwards, once.backwards) == (plain.forwards, plain.backwards)


def test_stages_draw_numbers_of_their_own():
    """Check that the same attack finds more in two stages than in one."""
    stage = Stage("noise:steps=5")
    once, twice = (run(make_run(Suite("n-1", (stage,) * k), threat="linf:0.08")) for k in (1, 2))

    assert twice.stages[0].adversarial == once.adversarial.sum() < twice.adversarial.sum()


def test_the_hardest_are_those_that_have_the_least_of_their_margin_left():
    state = SampleState(samples(6), np.array([1, 1, 1, 1, 0, 1], bool))
    margin, clean = np.array([-3, -1, -2, 1, -5], np.float32), np.array([-4, -10, -4, -9, -5], np.float32)
    none = np.zeros(5, bool)
    state.add(
        AttackRun(
            rows=np.array([0, 1, 2, 3, 5]),
            adversarial=np.array([0, 0, 0, 1, 0], bool),
            x_adv=samples(1).x,
            fault=none.astype(np.int8),
            faulty=none,
            margin=margin,
            clean=clean,
            queries=np.full(5, 1),
            cost=np.array([5, 5]),
            seconds=1.0,
            batch=5,
            theta=np.full((5, 4), np.nan, np.float32),
            undecided=none,
        )
    )

    def hardest(share, times=1, **options):
        return state.hardest(Stage("fgsm", hardest=share, **options), times).tolist()

    assert hardest(1) == [1, 2, 0, 5]  # with 0.1, 0.5, 0.75 and all of it left
    assert hardest(0.5) == [1, 2]
    assert hardest(0.01) == [1]
    assert hardest(0.01, least=3) == [1, 2, 0]
    assert hardest(0.01, least=9) == [1, 2, 0, 5]
    assert hardest(1, near=0.5) == [1, 2]
    assert hardest(0.25, near=0.5) == [1]
    assert hardest(1, near=0.05) == [1]
    assert hardest(1, near=0.05, least=2) == [1, 2]
    assert hardest(0.25, 2, near=0.05) == hardest(1, 2, near=0.25) == [1, 2]  # twice as wide
    assert hardest(0.01, 2, least=2) == [1, 2, 0, 5]
    assert state.hardest(Stage("fgsm"), done=np.array([0, 1, 0, 0, 0, 1], bool)).tolist() == [2, 0]


def test_before_any_attack_and_without_a_margin_all_of_it_is_left():
    state = SampleState(samples(6), np.ones(6, bool))

    assert state.hardest(Stage("fgsm")).tolist() == [*range(6)]
    assert state.hardest(Stage("fgsm", near=0.9, least=2)).tolist() == [0, 1]
    unknown = np.array([-np.inf, np.nan, -1, 0, -2], np.float32)
    assert share_left(np.float32([-1, -1, -np.inf, 0, -3]), unknown).tolist() == [1, 1, 1, 1, 1]


def test_a_stage_that_goes_onward_attacks_no_sample_twice():
    suites = [Suite("o-1", (Stage(f"{WEAK}:restarts=9", hardest=0.1, onward=onward),)) for onward in (True, False)]
    onward, again = (run(make_run(suite, threat="linf:0.0001")).stages[0].n for suite in suites)

    assert again == 6
    assert onward == 6 + 6 + 5 + 5 + 4 + 4 + 3 + 3 + 3  # a tenth of those that are left, nine times


def test_a_stage_for_near_samples_leaves_the_others_alone():
    suites = [Suite("n-1", (Stage(WEAK), Stage(STRONG, near=near))) for near in (1, 0.5)]
    both, near = (run(make_run(suite)) for suite in suites)

    assert near.stages[0] == replace(both.stages[0], seconds=near.stages[0].seconds)
    assert 1 < near.stages[1].n < both.stages[1].n
    assert 0 < (near.adversarial & both.adversarial).sum() == near.adversarial.sum()


def test_a_stage_that_no_longer_pays_ends():
    """Check patience with a model whose answers do not depend on its inputs, so no round finds anything."""
    constant = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    for parameter in constant.parameters():
        nn.init.zeros_(parameter)
    given = replace(samples(), y=np.zeros(60, np.int64))
    backwards = {}
    for patience in (None, 1, 3):
        suite = Suite("p-1", (Stage("fgsm:restarts=8", patience=patience),))
        made = replace(make_run(suite, module=constant), samples=given)
        backwards[patience] = run(made).backwards / 60

    assert backwards == {None: 8, 1: 1, 3: 3}


def test_a_stage_that_pays_widens():
    """Start with one sample in twenty: each round that finds an adversarial input doubles the share, up to all."""
    narrow = Stage("noise:steps=3:restarts=6", hardest=0.05)
    shown = [
        run(make_run(Suite("w-1", (stage,)), threat="linf:0.9")).stages[0].n
        for stage in (narrow, replace(narrow, widen=True))
    ]

    assert shown[0] < shown[1] == 60


@pytest.mark.parametrize(("first", "shown"), [("fgsm", True), ("pgd:steps=1:stride=0.0001:start=0", False)])
def test_a_stage_that_follows_is_run_only_where_the_one_before_it_paid(first, shown):
    suite = Suite("f-1", (Stage(first, hardest=0.5), Stage(STRONG, follow=True)))
    found = run(make_run(suite))

    assert (found.stages[0].adversarial > 0, found.stages[1].n > 0) == (shown, shown)
    assert len(found.stages) == 2
    assert (found.stages[1].backwards > found.stages[0].backwards) == shown


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_there_are_never_more_targets_than_other_classes(classes):
    model = network(classes=classes, dtype=torch.float32)
    x = inputs(60, dtype=torch.float32)
    made = replace(
        make_run(module=model, classes=classes),
        samples=Samples(x.numpy(), model(x).argmax(1).numpy(), np.arange(60)),
    )

    assert run(made).stages[-1].attack == SUITE.stages[-1].attack


def test_a_stage_is_for_its_norms_of_a_union():
    both = read_threat("linf:0.03+l2:0.2")

    assert str(narrow_threat(both, Stage("fgsm"))) == "linf:0.03+l2:0.2"
    assert str(narrow_threat(both, Stage("fgsm", ("l2", "l1")))) == "l2:0.2"
    assert narrow_threat(both, Stage("fgsm", ("l1",))) is None

    suite = Suite("u-1", (Stage("fgsm", ("l1",)), Stage("fgsm", ("linf",)), Stage("fgsm", ("l2",))))
    found = run(make_run(suite, threat="linf:0.02+l2:0.3"))
    assert len(found.stages) == 2
    assert 0 < found.stages[0].adversarial < found.stages[1].adversarial


class KilledError(Exception):
    """Raised where the process would end."""


@pytest.mark.parametrize("k", range(1, 14, 3))
def test_killed_after_any_round_it_goes_on_to_the_same_end(tmp_path, monkeypatch, k):
    expected = outcome(run(make_run()))
    cache = SuiteCache(tmp_path)
    writing = SuiteCache.write

    def write_or_die(self, number, attack_run):
        if number == k:
            raise KilledError
        writing(self, number, attack_run)

    monkeypatch.setattr(SuiteCache, "write", write_or_die)
    with pytest.raises(KilledError):
        run(make_run(cache=cache))
    monkeypatch.undo()
    assert len([*tmp_path.iterdir()]) == k

    again = run(replace(make_run(cache=cache), options=RunOptions(Batcher(60))))  # now more memory is free
    assert outcome(again) == expected
    assert outcome(run(make_run(cache=cache))) == outcome(again)


def test_what_is_done_is_not_done_again(tmp_path, monkeypatch):
    first = run(make_run(cache=SuiteCache(tmp_path)))
    monkeypatch.setattr(robust.evaluation.suite_run, "assail", None)

    assert outcome(run(make_run(cache=SuiteCache(tmp_path)))) == outcome(first)


def test_a_folder_that_another_process_takes_away_costs_nothing_but_the_rounds(tmp_path, monkeypatch):
    """Remove the folder as another process does that ends the same run while a file is being written."""
    expected, beside = outcome(run(make_run())), robust.records.files._beside

    def taken_away(path, fill):
        shutil.rmtree(path.parent, ignore_errors=True)
        file = beside(path, fill)
        if path.name == "0003.npz":
            shutil.rmtree(path.parent)
        return file

    monkeypatch.setattr("robust.records.files._beside", taken_away)
    assert outcome(run(make_run(cache=SuiteCache(tmp_path / "rounds")))) == expected


def test_a_damaged_file_is_a_round_that_was_not_run(tmp_path):
    first = run(make_run(cache=SuiteCache(tmp_path)))
    shutil.copytree(tmp_path, tmp_path / "copy")
    (tmp_path / "copy" / "0003.npz").write_bytes((tmp_path / "0003.npz").read_bytes()[:100])

    assert outcome(run(make_run(cache=SuiteCache(tmp_path / "copy")))) == outcome(first)


def test_a_run_comes_back_from_its_file(tmp_path):
    run(make_run(cache=SuiteCache(tmp_path)))
    attack_run = SuiteCache(tmp_path).read(0)

    SuiteCache(tmp_path / "copy").write(0, attack_run)
    assert (tmp_path / "copy" / "0000.npz").read_bytes() == (tmp_path / "0000.npz").read_bytes()
    assert isinstance(attack_run.seconds, float)
    assert isinstance(attack_run.batch, int)
    assert SuiteCache(tmp_path).read(999) is None


def ticking(seconds):
    """Return limits whose clock goes on by a second with every look."""
    return Limits(seconds, clock=partial(next, count()))


@pytest.mark.parametrize("seconds", [1, 30, 100])
def test_when_time_is_up_it_ends_with_what_it_has(seconds):
    whole = run(make_run())
    found = run(make_run(limits=ticking(seconds)))

    assert found.partial == TIME
    assert found.adversarial.sum() <= whole.adversarial.sum()
    assert found.stages == () or len(found.stages) < len(whole.stages)
    assert found.backwards < whole.backwards


def test_with_more_time_it_goes_on_where_it_was(tmp_path):
    first = run(make_run(limits=ticking(100), cache=SuiteCache(tmp_path)))
    rest = run(make_run(cache=SuiteCache(tmp_path)))

    assert first.partial == TIME
    assert rest.partial == ""
    assert outcome(rest) == outcome(run(make_run()))


def test_it_stops_once_what_was_asked_is_settled():
    whole = run(make_run())
    left = 60 - whole.stages[0].adversarial
    found = run(make_run(limits=Limits(math.inf, lambda robust: robust <= left)))

    assert found.partial == GATE
    assert len(found.stages) == 1
    assert found.adversarial.sum() == whole.stages[0].adversarial


def test_settled_by_the_last_round_of_all_it_is_whole():
    suite = Suite("g-1", (Stage(WEAK), Stage(STRONG)))
    left = 60 - run(make_run(suite)).adversarial.sum()

    assert run(make_run(suite, limits=Limits(math.inf, lambda robust: robust <= left))).partial == ""


class Moody(nn.Module):
    """A model that answers batches of 17 differently, so adversarial inputs of the attack are not verified."""

    def __init__(self):
        super().__init__()
        self.net = MODEL

    def forward(self, x):
        logits = self.net(x)
        return logits.roll(1, dims=1) if len(x) < 17 else logits


def test_what_is_not_verified_stays_robust():
    given = samples(51)  # three full batches in the attack; the adversarial ones are fewer
    suite = Suite("m-1", (Stage(WEAK),))
    made = replace(make_run(suite, module=Moody()), samples=given)
    found = made.run(np.ones(51, bool))

    assert found.fault.any() or found.adversarial.any()
    plain = measure_attack(Moody(), given, np.ones(51, bool), WEAK, made.threat, made.options)
    assert (found.fault.tolist(), found.adversarial.tolist()) == (plain.fault.tolist(), plain.adversarial.tolist())


def test_nothing_to_attack_is_no_error():
    found = make_run().run(np.zeros(60, bool))

    assert (found.backwards, found.adversarial.sum(), found.partial) == (0, 0, "")
    assert len(found.stages) == len(SUITE.stages)
