"""robust compare: the table, the exit status, and what cannot be compared."""

from dataclasses import replace

import numpy as np
import pytest

from robust.cli import main
from robust.records.curve import Curve
from tests.making import certificate, file, record

STOOD, FELL = "0" * 40, "1" * 12 + "0" * 28


@pytest.fixture
def compare(capsys, monkeypatch):
    """A function: (exit status, output lines, errors)."""
    monkeypatch.setenv("COLUMNS", "120")

    def run(*argv):
        status = main(["compare", *map(str, argv)])
        out, err = capsys.readouterr()
        return status, out.splitlines(), err

    return run


@pytest.fixture
def folders(tmp_path):
    """Two leaderboards of one model; the second lost 12 of 40 samples to the attack."""
    for name, broken in (("a", STOOD), ("b", FELL)):
        file(tmp_path / name, record("1" * 40, {"pgd": broken}, weights=(name * 4).ljust(64, "0")))
    return tmp_path / "a", tmp_path / "b"


def test_the_rows_are_compared_sample_for_sample(compare, folders):
    assert compare(*folders) == (
        0,
        [
            "A: a",
            "B: b",
            "",
            "net (as-is), digits, linf:0.15, pgd, n = 40, against weights aaaa0000",
            "                   A %    B %  points   95 % interval  lost  won        p",
            "clean accuracy   100.0  100.0    +0.0    -8.8 to +8.8     0    0        1",
            "robust accuracy  100.0   70.0   -30.0  -45.4 to -15.2    12    0  0.00049",
            "robust accuracy, lost: samples 0, 3, 6, 9, 12, 15, 18, 21, 24, 27, ... (12 in all)",
            "",
        ],
        "",
    )


@pytest.mark.parametrize("fail", [[], ["--fail=robust_acc:30pp,clean_acc:0pp"]], ids=["", "gate"])
@pytest.mark.parametrize("width", [120, 80, 60, 40])
def test_no_width_cuts_what_decides(compare, folders, monkeypatch, width, fail):
    monkeypatch.setenv("COLUMNS", str(width))
    _, lines, _ = compare(*folders, *fail)

    table = lines[4 : next(k for k, line in enumerate(lines) if "lost: samples" in line)]
    told = " ".join(" ".join(table).split())
    assert max(map(len, table)) <= width
    assert "…" not in told
    for figure in ("70.0", "-30.0", "-45.4 to -15.2", "0.00049", *["robust_acc:30pp", "holds"] * bool(fail)):
        assert figure in told
    assert ("left out for want of width: lost, won" in told) == ((width, bool(fail)) in [(80, True), (60, False)])


@pytest.mark.parametrize(
    ("fail", "status"),
    [
        (["--fail=robust_acc:2pp"], 1),
        (["--fail=robust_acc:30pp"], 0),
        (["--fail=clean_acc:0pp"], 0),
        (["--fail=clean_acc:0pp,robust_acc:29pp"], 1),
        (["--fail=clean_acc:0pp", "--fail=robust_acc:29pp"], 1),
    ],
)
def test_a_drop_beyond_the_margin_is_exit_status_1(compare, folders, fail, status):
    found, lines, _ = compare(*folders, *fail)

    assert found == status
    assert (lines[-1].startswith("FAILED: B is not as good as A")) == bool(status)
    assert compare(*folders[::-1], *fail)[0] == 0


def test_a_drop_that_may_be_chance_is_inconclusive(compare, tmp_path):
    for name, broken in (("a", STOOD), ("b", "11" + "0" * 38)):
        file(tmp_path / name, record("1" * 40, {"pgd": broken}))
    status, lines, _ = compare(tmp_path / "a", tmp_path / "b", "--fail=robust_acc:1pp")

    assert status == 0
    assert any(line.endswith("robust_acc:1pp inconclusive") for line in lines)


def test_single_rows_are_compared_whatever_they_are_called(compare, folders):
    file(folders[1], record("1" * 40, {"pgd": FELL}, name="new", training="pgd-at"))
    (old,) = (folders[0] / "results").rglob("*.json")
    new = next((folders[1] / "results").rglob("new*.json"))

    status, lines, _ = compare(old, new, "--fail=robust_acc:1pp")
    assert status == 1
    assert lines[3] == "new (pgd-at), digits, linf:0.15, pgd, n = 40, against net (as-is)"


def test_a_row_that_is_gone_fails_where_a_margin_is_given(compare, folders):
    file(folders[0], record("1" * 40, threat="linf:0.3"))
    told = "of A alone, so nothing shows that it holds: net (as-is), digits, linf:0.3, pgd"

    assert told in compare(*folders)[1]
    assert compare(*folders)[0] == 0
    assert compare(*folders, "--fail=clean_acc:0pp")[0] == 1


def test_a_row_that_is_new_is_told(compare, folders):
    file(folders[1], record("1" * 40, threat="linf:0.3"))
    status, lines, _ = compare(*folders, "--fail=clean_acc:0pp")

    assert status == 0
    assert any(line.startswith("not compared: net (as-is), digits, linf:0.3, pgd: it has no row") for line in lines)


def test_without_evidence_samples_go_by_their_places(compare, folders):
    for path in (*folders[0].rglob("*.npz"), *folders[1].rglob("*.npz")):
        path.unlink()

    assert "robust accuracy, lost: samples, by their places in the record, 0, 1, 2, 3" in "\n".join(
        compare(*folders)[1]
    )


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["a", "nope"], "there is no such file or folder"),
        (["a", "b", "--fail=robust_acc:2"], "expected percentage points"),
        (["a", "b", "--fail=acc:2pp"], "unknown accuracy 'acc'"),
        (["a", "other"], "nothing can be compared: not compared: net (as-is), digits, linf:0.15, pgd: its row"),
        (["a"], "something is missing; write robust compare A B"),
    ],
)
def test_a_mistake_is_exit_status_4(compare, folders, tmp_path, monkeypatch, args, told):
    file(tmp_path / "other", record("1" * 40, seed=1))
    monkeypatch.chdir(tmp_path)
    status, lines, err = compare(*args)

    assert (status, lines) == (4, [])
    assert told in err


@pytest.fixture
def proved(tmp_path):
    """A function that makes two leaderboards of rows that certify the first samples, by a method each."""

    def make(before, after):
        for name, (k, method) in (("a", before), ("b", after)):
            proof = certificate("1" * k + "0" * (40 - k), method) if k else None
            file(tmp_path / name, replace(record("1" * 40, weights=(name * 4).ljust(64, "0")), certificate=proof))
        return tmp_path / "a", tmp_path / "b"

    return make


def test_what_is_certified_is_compared_where_both_rows_have_it_by_one_method(compare, proved):
    status, lines, _ = compare(*proved((20, "crown"), (8, "crown")), "--fail=certified_acc:2pp")

    assert status == 1
    table = [line.split() for line in lines if line.startswith("certified accuracy ")]
    assert table[0][2:5] == ["50.0", "20.0", "-30.0"]
    assert "certified accuracy, lost: samples 24, 27, 30, 33, 36, 39, 42, 45, 48, 51, ... (12 in all)" in lines


@pytest.mark.parametrize("after", [(0, ""), (20, "ibp")])
def test_what_is_no_more_certified_in_the_same_way_is_told_and_fails_where_a_margin_is_given(compare, proved, after):
    folders = proved((20, "crown"), after)
    by = f"A by crown, B by {after[1] or 'nothing'}"
    told = f"what is certified is not compared: net (as-is), digits, linf:0.15, pgd: {by}"

    status, lines, _ = compare(*folders)
    assert (status, lines[-1]) == (0, told)
    assert compare(*folders, "--fail=certified_acc:2pp")[0] == 1


def test_a_margin_on_what_is_not_certified_before_is_a_mistake(compare, proved):
    status, _, err = compare(*proved((0, ""), (8, "crown")), "--fail=certified_acc:2pp")

    assert status == 4
    assert "--fail=certified_acc:2pp: the row net (as-is), digits, linf:0.15, pgd of A has no certificate" in err


@pytest.fixture
def scored(tmp_path):
    """Two leaderboards of one regressor; the errors of the second are larger by 2.5."""
    for name, error in (("a", 0), ("b", 2.5)):
        made = record("1" * 40, {"pgd": STOOD}, weights=(name * 4).ljust(64, "0"))
        columns = {"score": np.arange(40, dtype=np.float32) + np.float32(error)}
        attacks = tuple(replace(attack, columns=columns) for attack in made.attacks)
        file(tmp_path / name, replace(made, criterion={"name": "within:50"}, columns=columns, attacks=attacks))
    return tmp_path / "a", tmp_path / "b"


@pytest.mark.parametrize(
    ("fail", "status", "gate"),
    [([], 0, ""), (["--fail=mean:+3"], 0, "; mean:+3 holds"), (["--fail=mean:+2"], 1, "; mean:+2 fails")],
)
def test_mean_scores_are_compared_below_the_table(compare, scored, fail, status, gate):
    found, lines, _ = compare(*scored, *fail)

    change = "+2.5 (95 % interval +2.5 to +2.5), 40 worse, 0 better, p = 0.001"
    assert f"mean score under attack: 19.5 to 22, {change}{gate}" in lines
    assert found == status


def test_a_margin_of_the_mean_score_is_refused_of_rows_without_one(compare, folders):
    status, _, error = compare(*folders, "--fail=mean:+2")

    assert status != 0
    assert "the mean score under attack by class is the accuracy; give robust_acc:2pp" in error


@pytest.fixture
def mapped(tmp_path):
    """Two leaderboards of one segmenter of 100 pixels a map; under attack the second answers 20 more of them wrong."""
    for name, wrong in (("a", 10), ("b", 30)):
        made = record("1" * 40, {"pgd": STOOD}, weights=(name * 4).ljust(64, "0"))
        inner = np.tile(np.float32([50 - wrong / 2] * 2), (40, 1))
        columns = {
            "score": np.full(40, 1 - wrong / 100, np.float32),
            "regions": np.concatenate([inner, inner + np.float32(wrong)], 1),
        }
        attacks = tuple(replace(attack, columns=columns) for attack in made.attacks)
        file(tmp_path / name, replace(made, criterion={"name": "pixels:0.5"}, columns=columns, attacks=attacks))
    return tmp_path / "a", tmp_path / "b"


@pytest.mark.parametrize(
    ("fail", "status", "gate"),
    [([], 0, ""), (["--fail=miou:28pp"], 0, "; miou:28pp holds"), (["--fail=miou:27pp"], 1, "; miou:27pp fails")],
)
def test_the_miou_of_maps_is_compared_below_the_table(compare, mapped, fail, status, gate):
    found, lines, _ = compare(*mapped, *fail)

    change = "-27.97 points (95 % interval -27.97 to -27.97), 40 worse, 0 better, p = 0.0005"
    assert f"mIoU under attack: 81.82 to 53.85 %, {change}{gate}" in lines
    assert found == status


@pytest.fixture
def corrupted(tmp_path):
    """Two leaderboards of one network, each with a row under fog and snow and one under a ball; B loses all in fog."""
    for name, right in (("a", 1), ("b", 0)):
        made = record("1" * 40, {"pgd": STOOD}, weights=(name * 4).ljust(64, "0"))
        columns = {"corrupted": np.tile(np.float32([right, 1]), (40, 1))}
        attacks = tuple(replace(attack, columns=columns) for attack in made.attacks)
        file(tmp_path / name, made)
        file(tmp_path / name, replace(made, threat="corruption:3:fog+corruption:3:snow", attacks=attacks))
    return tmp_path / "a", tmp_path / "b"


@pytest.mark.parametrize(
    ("fail", "status", "gate"),
    [([], 0, ""), (["--fail=mean:50pp"], 0, "; mean:50pp holds"), (["--fail=mean:49pp"], 1, "; mean:49pp fails")],
)
def test_the_mean_over_corruptions_is_compared_below_the_table(compare, corrupted, fail, status, gate):
    found, lines, _ = compare(*corrupted, *fail)

    change = "-50 points (95 % interval -50 to -50), 40 worse, 0 better, p = 0.001"
    assert f"mean accuracy over corruptions: 100 to 50 %, {change}{gate}" in lines
    assert sum("mean accuracy over corruptions" in line for line in lines) == 1
    assert found == status


def test_a_margin_of_the_mean_over_corruptions_is_refused_where_no_row_has_any(compare, folders):
    status, _, error = compare(*folders, "--fail=mean:2pp")

    assert status != 0
    assert "it is of the mean over corruptions, and no threat model has any" in error


def test_a_margin_of_miou_is_refused_of_rows_of_classes(compare, folders):
    status, _, error = compare(*folders, "--fail=miou:2pp")

    assert status != 0
    assert "mIoU is of maps of classes, and the criterion is class; leave it out" in error


@pytest.fixture
def curved(tmp_path):
    """Two leaderboards of one model; on the second all samples are a tenth nearer to an adversarial input."""
    for name, distance in (("a", 0.3), ("b", 0.27)):
        made = record("1" * 40, {"pgd": STOOD}, weights=(name * 4).ljust(64, "0"))
        curve = Curve("linf:0.6", np.full(40, distance, np.float32), ("fab",), (), 1, 1, 1.0)
        file(tmp_path / name, replace(made, curve=curve))
    return tmp_path / "a", tmp_path / "b"


@pytest.mark.parametrize(
    ("fail", "status", "gate"),
    [
        ([], 0, ""),
        (["--fail=distance:20%"], 0, "; distance:20% holds"),
        (["--fail=distance:5%"], 1, "; distance:5% fails"),
    ],
)
def test_distances_are_compared_below_the_table(compare, curved, fail, status, gate):
    found, lines, _ = compare(*curved, *fail)

    change = "median 0.3 to 0.27, mean -10.0 %, 40 nearer, 0 further"
    assert [line for line in lines if line.startswith(f"adversarial distance: {change}") and line.endswith(gate)]
    assert found == status


def test_a_margin_of_the_distance_is_refused_of_rows_without_a_curve(compare, folders):
    status, _, error = compare(*folders, "--fail=distance:5%")

    assert status == 4
    assert "A or B has no whole curve up to the same end" in error
