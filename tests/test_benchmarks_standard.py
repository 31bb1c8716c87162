"""Suites beside AutoAttack: the networks, what is kept of a comparison, and the page that is made of it."""

import json
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks import contest, data, networks, standard, standard_page
from benchmarks.contest import Contest, turns
from benchmarks.outcomes import Outcome, Run, mean_time, read_runs, write_run
from benchmarks.standard_page import Result, bounds, sums, tables
from benchmarks.subjects import CASES, ROOT, Case, Subject
from robust.attacks import LpThreat
from robust.data.factory import open_data
from tests.attacks.models import inputs, network

BALL = LpThreat("linf", Fraction(1, 10))
HALVES = {half: [case for case in CASES if case.half == half] for half in ("first", "aside")}


def outcome(left=0, forwards=100, backwards=90, seconds=1.0, digest="a"):
    return Outcome(tuple(range(left)), forwards, backwards, seconds, digest)


def result(suite, peer, quick, name="toy", half="first", threat="linf:0.1", masked=False):
    """A result on 100 images, 90 of them answered right; each side is (left, backwards, seconds)."""
    sides = [outcome(left, 2 * backwards, backwards, seconds) for left, backwards, seconds in (suite, peer, quick)]
    run = Run(threat, 100, 90, dict(zip(("standard-1", "AutoAttack", "quick-1"), sides, strict=True)))
    case = Case(name=name, half=half, arch="", data="digits", recipe="", threat=threat, masked=masked)
    return Result(case, run, "standard-1")


GOOD = result((50, 90, 5), (51, 900, 100), (51, 9, 0.5))


def verdicts(*results):
    return [line.rpartition(": ")[2] for line in bounds(results)]


def test_no_kind_of_training_data_or_threat_stands_in_one_half_alone():
    def kinds(half):
        cases = HALVES[half]
        recipes = {case.recipe.partition(":")[0] for case in cases}
        return recipes, {open_data(case.data, ROOT).name.partition(":")[0] for case in cases}

    assert kinds("first") == kinds("aside")
    assert {case.threat.partition(":")[0] for case in HALVES["first"]} == {"linf", "l2"}
    assert all(9 <= len(cases) <= 10 for cases in HALVES.values())
    assert not {case.path for case in HALVES["first"]} & {case.path for case in HALVES["aside"]}


@pytest.mark.parametrize("case", [case for case in CASES if not case.masked], ids=lambda case: case.name)
def test_the_networks_were_trained_as_their_file_says(case):
    card = json.loads(case.path.with_suffix(".json").read_text("utf-8"))

    assert (card["recipe"], card["threat"], card["seed"]) == (case.recipe, case.trained or case.threat, case.seed)
    assert card["data"]["name"] == open_data(case.data, ROOT).name
    assert case.weights or case.path.stat().st_size < 300_000 or case.half == "chosen-on"


def test_each_network_is_attacked_at_three_radii():
    case = Case(name="", half="first", arch="", data="digits", recipe="", threat="linf:8/255", quarter="0.05")

    assert case.threats == ("linf:8/255", "linf:4/255", "linf:0.05")
    assert all(len(case.threats) == 3 for half in HALVES.values() for case in half)


def test_a_network_is_trained_by_one_command():
    case = Case(name="toy", half="first", arch="zoo:mlp", data="digits", recipe="mart:epochs=2", threat="l2:1", seed=7)

    other = networks.training_command(replace(case, trained="linf:0.1"))
    words = networks.training_command(case)[1:]

    assert "--threat=linf:0.1" in other
    assert words[:4] == ["-m", "robust", "train", "zoo:mlp"]
    assert {"--recipe=mart:epochs=2", "--data=digits", "--threat=l2:1", "--seed=7"} < {*words}
    assert words[-1] == "--out=benchmarks/models/toy.safetensors"


@pytest.mark.parametrize("answer", [0.03, 0.4, 0.9])
def test_the_radius_that_leaves_a_quarter_is_found(answer):
    found = networks.find_eps(lambda eps: 0.5 if eps < answer else 0.1, usual=0.1, most=1.0)

    assert found == pytest.approx(answer, rel=0.05)


def test_pairs_and_composites_are_drawn_the_same_again_and_have_their_labels(monkeypatch):
    kinds = np.arange(30) % 10
    clothes = np.ones((30, 1, 28, 28), "float32") * (kinds[:, None, None, None] / 10).astype("float32"), kinds
    monkeypatch.setattr(data.fashion_mnist, "read", lambda split: clothes)
    monkeypatch.setattr(data, "SIZES", {"train": 20, "test": 20})

    for load, shape in ((data.pairs, (20, 1, 20, 20)), (data.colour, (20, 3, 32, 32))):
        (x, y), (again, _), (other, _) = load("test"), load("test"), load("train")
        assert x.shape == shape
        assert (x.dtype, y.dtype) == ("float32", "int64")
        assert 0 <= x.min() < x.max() <= 1
        assert (x == again).all()
        assert not (x == other).all()
    x, y = data.pairs("test")
    assert (y // 10 == (10 * x[:, 0, :12, :12].mean((1, 2))).round()).all()


@pytest.mark.parametrize("program", [standard, networks])
def test_an_unknown_network_is_refused_in_one_line(program, capsys):
    with pytest.raises(SystemExit):
        program.main(["mxpool"])

    assert "error: unknown network 'mxpool', did you mean 'maxpool'?" in capsys.readouterr().err


def test_a_page_of_some_networks_does_not_replace_one_of_all(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(standard, "PAGE", tmp_path / "standard.md")
    monkeypatch.setattr(contest, "RESULTS", tmp_path)
    monkeypatch.setattr(standard, "CASES", CASES[:1])

    assert standard.write_page() == standard.write_page(earlier=True) == 1
    assert not (tmp_path / "standard.md").exists()
    assert "standard.md is not written: 3 rows are not measured, as standard linf:0.1" in capsys.readouterr().out


def test_results_are_kept_by_threat_model(tmp_path):
    path = tmp_path / "results" / "toy.json"
    first, second = Run("linf:0.1", 9, 8, {"a": outcome(3)}), Run("l2:1", 9, 8, {"a": outcome(2), "b": outcome()})
    for run in (first, second):
        write_run(path, run)

    assert read_runs(path) == {"linf:0.1": first, "l2:1": second}
    write_run(path, replace(first, outcomes={"a": outcome(1)}))
    assert read_runs(path)["linf:0.1"].outcomes["a"].left == (0,)
    assert read_runs(path)["l2:1"] == second
    assert read_runs(tmp_path / "nowhere.json") == {}


def test_the_time_is_the_mean_of_the_turns():
    assert mean_time([outcome(seconds=1.0), outcome(seconds=2.0)]) == outcome(seconds=1.5)
    assert turns(["suite", "quick", "AutoAttack"]) == ["suite", "quick", "AutoAttack", "quick", "suite"]
    assert turns(["suite"]) == ["suite", "suite"]


@pytest.fixture
def compared(monkeypatch, tmp_path):
    """A function that compares on a toy, and returns the sides that were measured for it, once each."""
    weights, made_of, seen = tmp_path / "toy.safetensors", {"suite": "1", "AutoAttack": "1"}, []
    weights.write_bytes(b"weights")
    model, x = network(dtype=torch.float32), inputs(dtype=torch.float32)
    on = Subject.of("toy", model, x, model(x).argmax(1))
    case = SimpleNamespace(name="toy", arch="", path=weights, n=on.n, subject=lambda n, seed, held_out: on)
    monkeypatch.setattr(contest, "RESULTS", tmp_path)
    monkeypatch.setattr(Contest, "_contents", lambda self: made_of)
    monkeypatch.setattr(Contest, "_attacker", lambda self, name: lambda model, x, y: seen.append(name) or x)

    def compare(held_out=False, again=False, **changed):
        made_of.update(changed)
        seen.clear()
        Contest(case, BALL, "suite", 0, held_out).run(again=again)
        return sorted({*seen})

    def confirm(**changed):
        made_of.update(changed)
        seen.clear()
        return Contest(case, BALL, "suite", 0).confirm(), seen

    return SimpleNamespace(compare=compare, confirm=confirm, weights=weights, path=tmp_path / "test" / "toy.json")


@pytest.mark.parametrize("held_out", [False, True])
def test_what_is_kept_is_not_measured_again(compared, held_out):
    assert compared.compare(held_out) == ["AutoAttack", "suite"]
    assert compared.compare(held_out) == []
    assert compared.compare(held_out, again=True) == ["AutoAttack", "suite"]


def test_a_changed_suite_is_measured_again_on_test_images_with_its_rivals(compared):
    for held_out in (False, True):
        compared.compare(held_out)

    assert compared.compare(held_out=True, suite="2") == ["suite"]
    assert compared.compare(suite="2") == ["AutoAttack", "suite"]


def test_code_that_leaves_the_same_is_confirmed_without_its_rivals_and_keeps_its_time(compared):
    compared.compare()
    (before,) = read_runs(compared.path).values()

    assert compared.confirm(suite="2") == ([], ["suite"])
    assert compared.compare() == []
    (after,) = read_runs(compared.path).values()
    assert after.outcomes["suite"].seconds == before.outcomes["suite"].seconds


def test_code_that_leaves_others_is_not_confirmed(compared):
    compared.compare()
    (run,) = read_runs(compared.path).values()
    weaker = replace(run.outcomes["suite"], forwards=run.outcomes["suite"].forwards + 1)
    write_run(compared.path, replace(run, outcomes=run.outcomes | {"suite": weaker}))

    assert compared.confirm(suite="2")[0] == ["suite"]
    assert compared.compare() == ["AutoAttack", "suite"]


def test_changed_weights_are_measured_again(compared):
    compared.compare()
    compared.weights.write_bytes(b"others")

    assert compared.compare() == ["AutoAttack", "suite"]


def test_what_must_hold_is_held_against_the_sums():
    assert verdicts(GOOD) == ["yes"] * 7
    assert verdicts(GOOD, result((51, 90, 5), (50, 900, 100), (51, 9, 0.5), "other"))[0] == "**no**"
    even = result((50, 90, 5), (50, 900, 100), (50, 9, 0.5))
    assert verdicts(GOOD, *(replace(even, case=replace(even.case, name=name)) for name in "abc"))[1] == "**no**"
    slow = result((50, 95, 6), (51, 900, 100), (52, 9, 0.9))
    assert verdicts(slow) == ["yes", "yes", "**no**", "**no**", "yes", "**no**", "**no**"]


def test_one_network_may_not_take_more_than_an_eighth():
    assert result((50, 1, 12.4), (50, 9, 100), (50, 1, 1)).is_dear is False
    assert result((50, 1, 12.6), (50, 9, 100), (50, 1, 1)).is_dear
    assert result((9, 1, 2.9), (9, 9, 10), (9, 1, 1)).is_dear is False
    assert result((9, 1, 3.1), (9, 9, 10), (9, 1, 1)).is_dear


def test_quick_may_leave_more_where_gradients_are_masked():
    hidden = result((0, 1, 5), (50, 900, 100), (60, 9, 0.5), masked=True)

    assert verdicts(hidden)[5] == "yes"


def test_a_row_by_several_seeds_is_judged_by_their_sum():
    more, fewer = (result((left, 90, 5), (50, 900, 100), (51, 9, 0.5), name) for left, name in ((51, "a"), (49, "b")))
    by_all = [replace(more, others=(fewer.run, fewer.run)), replace(fewer, others=(fewer.run, more.run)), GOOD]

    lines = standard_page.by_seeds([*by_all, replace(more, others=(fewer.run, more.run))])

    assert "| a | linf:0.1 | 51, 49, 49 | 50, 50, 50 | -1 |" in lines
    assert len(lines) == 2 + 3 + 2
    assert lines[-1] == "- more in all on 1 of 3 rows: a linf:0.1"


def test_networks_are_told_by_their_eps_together():
    more, fewer = (result((left, 90, 5), (50, 900, 100), (51, 9, 0.5), "a") for left in (51, 48))
    dear = result((50, 90, 13), (50, 900, 100), (51, 9, 0.5), "b")
    above = replace(result((52, 90, 5), (51, 900, 100), (51, 9, 0.5), "c"), others=(fewer.run,))

    lines = standard_page.by_network([more, fewer, dear, above])

    assert lines[2:] == [
        "- below AutoAttack on 1, above it on c by 1",
        "- leaves just what no run of either side broke on 1, AutoAttack on 1",
        "- more than 1/8 of the time on b 1/7.7",
    ]


def test_other_seeds_are_for_rows_where_the_sides_differ(tmp_path, monkeypatch):
    monkeypatch.setattr(contest, "RESULTS", tmp_path)
    case = next(case for case in CASES if case.half == "first")
    one = Contest(case, BALL, "standard-1", 0)
    same, other = ({"standard-1": outcome(3), "AutoAttack": outcome(left)} for left in (3, 2))

    write_run(one.path, Run(str(BALL), 9, 8, same))
    assert standard.other_seeds(one) == []
    write_run(one.path, Run(str(BALL), 9, 8, other))
    others = standard.other_seeds(one)
    assert [contest.attack_seed for contest in others] == [1, 2]
    assert len({one.path, *(contest.path for contest in others)}) == 3
    assert not {*one.inputs.values()} & {*others[0].inputs.values()}
    assert others[0].outdated(("AutoAttack",)) == ["AutoAttack"]


def test_each_half_has_its_table_and_only_the_halves_count():
    old = result((60, 900, 50), (50, 900, 100), (60, 9, 0.5), "old", half="chosen-on")
    others = [replace(GOOD, case=replace(GOOD.case, half=half)) for half in [*standard_page.HALVES][1:-1]]
    lines = tables([GOOD, *others, old])

    assert [line for line in lines if line.startswith("## ")] == [
        *(f"## {title}" for title in standard_page.HALVES.values()),
        "## Where they differ, by three seeds of the attacks",
        "## What must hold over both halves",
        "## What must hold over the first five groups",
    ]
    assert "**no**" not in "".join(lines)
    row = "| toy | linf:0.1 | 100 | 90 | 50.0 / 51.0 / 51.0 | 2 / 20 / 0 | 1 / 10 / 0 | 5.0 / 100.0 / 0.5 |"
    assert f"{row} 1/20.0 | 1/10.0 |" in lines
    assert sums([old])[-1] == "- of 1 rows 0 below AutoAttack, 1 above it: old linf:0.1 by 10"
    assert standard_page.describe(replace(GOOD, earlier=True)).startswith("| toy\\* | linf:0.1 |")
