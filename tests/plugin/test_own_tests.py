"""The fixtures and the mark for the user's own tests."""

import pandas as pd
import pytest

from robust.records.record import Record

MODEL = "--robust-model=net.py:make"
ARCH = "--robust-arch=net.py:bare"
FIXTURES = ("robust_model", "robust_data", "robust_device", "robust_seed", "robust_attack", "robust_report")


@pytest.fixture
def own(run, pytester):
    """Run a file of the user's tests with the model, without ours."""

    def own(text, *args, conftest=""):
        pytester.makepyfile(test_own="import pytest\n" + text)
        pytester.makeconftest("import pytest\n" + conftest)
        return run(MODEL, "--deselect=net.py", *args)

    return own


def rows(folder):
    table = pd.read_csv(folder / "leaderboard" / "results.csv")
    return table[table.attack == "all"]


def records(folder):
    return [Record.from_json(path.read_text()) for path in sorted((folder / "leaderboard" / "results").rglob("*.json"))]


# The fixtures


@pytest.mark.parametrize("fixture", FIXTURES)
def test_a_fixture_skips_where_there_is_no_model(pytester, fixture):
    pytester.makepyfile(f"def test_own({fixture}): raise RuntimeError")
    result = pytester.runpytest_inprocess("-rs")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED [[]1[]] *: needs --robust-model"])


def test_the_fixtures_are_told_with_what_they_are(pytester):
    result = pytester.runpytest_inprocess("--fixtures")

    for fixture in FIXTURES:
        result.stdout.re_match_lines([rf"{fixture}\b.* -- .*robust.plugin\.py:\d+", r"    \S+"])
    result.stdout.no_fnmatch_line("_robust_*")


def test_what_an_attack_returns_is_consistent(own):
    own(
        """
def test_own(robust_attack, robust_data, robust_model):
    import numpy as np
    import torch

    result = robust_attack("pgd:steps=5", threat="linf:0.15")

    assert (result.attack, result.threat) == ("pgd:steps=5", "linf:0.15")
    assert result.n == len(robust_data) == len(result.correct) == len(result.robust) == len(result.broken) == 60
    assert (result.robust == result.correct & ~result.broken).all()
    assert not (result.broken & ~result.correct).any()
    assert result.accuracy == result.robust.mean()
    assert result.clean_accuracy == result.correct.mean()
    low, high = result.interval
    assert 0 <= low < result.accuracy < high <= 1
    x, y = robust_data.x[result.broken], robust_data.y[result.broken]
    assert result.x_adv.shape == x.shape and len(x) > 0
    assert abs(result.x_adv - x).max() <= 0.15 + 1e-6
    with torch.no_grad():
        assert (robust_model(torch.from_numpy(result.x_adv)).argmax(1).numpy() != y).all()
        assert (robust_model(torch.from_numpy(robust_data.x)).argmax(1).numpy() == robust_data.y).tolist() == (
            result.correct.tolist()
        )
    assert str(result).startswith(f"robust accuracy {100 * result.accuracy:.1f} % (95 % interval ")
"""
    ).assert_outcomes(passed=1, deselected=3)


def test_an_attack_may_be_a_word_or_an_object(own):
    own(
        """
from robust.attacks import FGSM, PGD, Restarts

@pytest.mark.parametrize(("thing", "word"), [(PGD(steps=3), "pgd:steps=3"), (FGSM(), "fgsm"),
    (Restarts(PGD(steps=2), 2), "pgd:restarts=2:steps=2")])
def test_own(robust_attack, thing, word):
    by_object, by_word = robust_attack(thing), robust_attack(word)
    assert by_object.attack == by_word.attack == word
    assert (by_object.robust == by_word.robust).all()

def test_the_default(robust_attack):
    assert (robust_attack().attack, robust_attack().threat) == ("pgd", "linf:0.2")
""",
        "--robust-threat=linf:0.2,l2:1",
    ).assert_outcomes(passed=4, deselected=5)


def test_an_attack_of_the_users_own_class_works(own):
    own(
        """
from dataclasses import dataclass
import torch
from robust.attacks import FGSM

@dataclass(frozen=True)
class Twice:
    inner: FGSM = FGSM()
    steps: int = 1

    def init(self, task):
        return self.inner.init(task)

    def step(self, task, state, k):
        return self.inner.step(task, state, k)

def test_own(robust_attack, robust_report):
    result = robust_attack(Twice())
    assert result.accuracy == robust_attack("fgsm").accuracy
    robust_report.add(result)
"""
    ).assert_outcomes(passed=1, deselected=3)


def test_a_threat_in_another_spelling_is_the_same_threat(own):
    own(
        """
def test_own(robust_attack):
    a, b = robust_attack("fgsm", threat="linf:3/20"), robust_attack("fgsm", "linf:0.150")
    assert a.threat == b.threat == "linf:0.15"
    assert robust_attack("fgsm", "l2:1/2").threat == "l2:0.5"
"""
    ).assert_outcomes(passed=1, deselected=3)


def test_a_threat_may_be_an_object_as_an_attack_may(own):
    own(
        """
from robust.attacks import LpThreat

def test_own(robust_attack):
    assert robust_attack("fgsm", threat=LpThreat.parse("linf:0.1")).threat == "linf:0.1"
"""
    ).assert_outcomes(passed=1, deselected=3)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("'pgdd'", "pgdd under linf:0.15 could not be run: unknown attack 'pgdd', did you mean 'pgd'[?]*"),
        ("'pgd:step=3'", "*could not be run: *pgd has no option 'step', did you mean 'steps'*"),
        ("''", "*could not be run: *is not of the form NAME or NAME:key=value*"),
        ("threat='lin:0.1'", "*could not be run: *unknown norm 'lin', did you mean 'linf'*"),
        ("threat='linf:8'", "*could not be run: *did you mean linf:8/255[?]"),
        ("threat='linf'", "*could not be run: *eps must be a number such as 8/255*"),
        ("3", "*3*expected an attack*"),
        ("threat=0.1", "*0.1*NORM:EPS*"),
    ],
)
def test_an_attack_that_cannot_be_run_is_one_line(own, call, told):
    result = own(f"def test_own(robust_attack): robust_attack({call})")

    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(["*_ test_own _*", told, "=*"], consecutive=True)


def test_two_attacks_of_one_test_see_the_same_samples_and_the_same_luck(own):
    own(
        """
def test_own(robust_attack):
    assert (robust_attack("pgd:steps=1").x_adv == robust_attack("pgd:steps=1").x_adv).all()
"""
    ).assert_outcomes(passed=1, deselected=3)


def test_device_and_seed_are_those_of_the_run(own):
    own(
        """
import torch

def test_own(robust_device, robust_seed, robust_model):
    assert robust_device == torch.device("cpu") == next(robust_model.parameters()).device
    assert robust_seed == 7
""",
        "--robust-seed=7",
        "--robust-device=cpu",
    ).assert_outcomes(passed=1, deselected=3)


def test_the_model_is_ready_in_a_class_of_unittest_too(own):
    own(
        """
import unittest

class TestOwn(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def model(self, robust_model):
        self.found = robust_model

    def test_own(self):
        assert not self.found.training
"""
    ).assert_outcomes(passed=1, deselected=3)


# For every model and training


def test_a_test_that_asks_for_the_model_is_run_with_each(node_ids, pytester, folder):
    pytester.makepyfile(
        test_own="""
import pytest

def test_model(robust_model): pass

def test_attack(robust_attack): pass

@pytest.mark.parametrize("n", [1, 2])
def test_both(robust_model, n): pass

class TestIt:
    def test_report(self, robust_report): pass

def test_data(robust_data, robust_device, robust_seed): pass

def test_none(): pass
"""
    )
    args = (MODEL, "--robust-model=weights.pt", ARCH, "--deselect=net.py", "--deselect=weights.pt")
    words = ["net", "weights"]

    assert sorted(node_ids(*args)) == sorted(
        [
            *(f"test_own.py::{name}[{word}]" for word in words for name in ("test_model", "test_attack")),
            *(f"test_own.py::test_both[{word}-{n}]" for word in words for n in (1, 2)),
            *(f"test_own.py::TestIt::test_report[{word}]" for word in words),
            "test_own.py::test_data",
            "test_own.py::test_none",
        ]
    )


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([MODEL], [""]),
        ([MODEL, "--robust-train=as-is"], [""]),
        ([MODEL, "--robust-train=standard:epochs=1,as-is"], ["[standard-epochs1]", "[as-is]"]),
        ([MODEL, "--robust-model=net.py:bare"], ["[net]", "[net-bare]"]),
        (
            [MODEL, "--robust-model=weights.pt", ARCH, "--robust-train=as-is,standard"],
            ["[net-as-is]", "[net-standard]", "[weights-as-is]", "[weights-standard]"],
        ),
        ([MODEL, "--robust-model=other/net.py:make"], ["[net.py_make]", "[other_net.py_make]"]),
        (["--robust-model=net.py:needs(3)"], [""]),
        (["--robust-model=net.py:needs(3)", "--robust-model=net.py:needs(4)"], ["[net-needs-3]", "[net-needs-4]"]),
    ],
)
def test_the_ids_of_users_tests_tell_models_and_trainings_apart(node_ids, pytester, folder, args, words):
    pytester.makepyfile(test_own="def test_own(robust_model): pass")
    (pytester.mkdir("other") / "net.py").write_text((folder / "net.py").read_text())

    found = [word for word in node_ids(*args) if word.startswith("test_own")]
    assert found == [f"test_own.py::test_own{word}" for word in words]


def test_each_test_sees_its_own_model(own):
    result = own(
        """
def test_own(robust_model, robust_attack, request):
    right = robust_attack("fgsm").clean_accuracy > 0.5
    assert right == ("bare" not in request.node.name)
""",
        "--robust-model=net.py:bare",
    )

    result.assert_outcomes(passed=2, deselected=6)


# The report


def test_a_reported_result_is_a_row_of_its_own(own, folder):
    result = own(
        """
def test_own(robust_attack, robust_report):
    robust_report.add(robust_attack("pgd:steps=3", threat="linf:0.05"))
"""
    )

    result.assert_outcomes(passed=1, deselected=3)
    result.stdout.fnmatch_lines(["digits, linf:0.05, pgd-steps3, n = 60", "leaderboard (1 new):*"])
    (record,) = records(folder)
    assert (record.threat, record.suite, record.model.name) == ("linf:0.05", "pgd-steps3", "net")


def test_without_add_there_is_no_row(own, folder):
    own("def test_own(robust_attack, robust_report): robust_attack('fgsm')").assert_outcomes(passed=1, deselected=3)

    assert not (folder / "leaderboard").exists()


def test_two_results_of_a_test_are_one_row_the_worst_case(own, folder):
    own(
        """
def test_own(robust_attack, robust_report):
    one, two = robust_attack("fgsm"), robust_attack("pgd:steps=3")
    robust_report.add(one)
    robust_report.add(two)
    print("both", (one.robust & two.robust).sum())
""",
        "-rP",
    ).stdout.fnmatch_lines([f"both {records(folder)[0].robust.sum()}"])

    assert rows(folder).suite.tolist() == ["fgsm+pgd-steps3"]


def test_two_threats_of_a_test_are_two_rows(own, folder):
    own(
        """
def test_own(robust_attack, robust_report):
    for threat in ("linf:0.05", "l2:0.3"):
        robust_report.add(robust_attack("fgsm", threat=threat))
"""
    )

    assert sorted(rows(folder).threat) == ["l2:0.3", "linf:0.05"]


def test_the_same_result_twice_is_the_same_row(own, folder):
    own(
        """
def test_own(robust_attack, robust_report):
    robust_report.add(robust_attack("fgsm"))
    robust_report.add(robust_attack("fgsm"))
"""
    ).stdout.no_fnmatch_line("*so there is no row")

    assert rows(folder).suite.tolist() == ["fgsm"]


def test_two_tests_that_measure_the_same_are_one_row(own, folder):
    result = own(
        """
@pytest.mark.parametrize("n", [1, 2])
def test_own(robust_attack, robust_report, n):
    robust_report.add(robust_attack("fgsm"))
"""
    )

    assert len(rows(folder)) == 1
    assert len([line for line in result.outlines if line.lstrip().startswith("1  net")]) == 1


def test_a_row_that_ours_measured_too_is_shown_once(run, pytester, folder):
    pytester.makepyfile(
        test_own="""
        def test_own(robust_attack, robust_report):
            robust_report.add(robust_attack("fgsm"))
            robust_report.add(robust_attack("pgd:steps=5"))
        """
    )
    result = run(MODEL)

    assert len(rows(folder)) == 1
    assert len([line for line in result.outlines if line.lstrip().startswith("1  net")]) == 1


def test_every_model_has_its_row(own, folder):
    own(
        "def test_own(robust_attack, robust_report): robust_report.add(robust_attack('fgsm'))",
        "--robust-model=weights.pt",
        ARCH,
        "--robust-train=as-is,standard:epochs=1",
        "--deselect=weights.pt",
    ).assert_outcomes(passed=4, deselected=12)

    assert sorted(zip(rows(folder).model, rows(folder).training, strict=True)) == [
        ("net", "as-is"),
        ("net", "standard:epochs=1"),
        ("weights", "as-is"),
        ("weights", "standard:epochs=1"),
    ]


def test_a_test_that_fails_afterwards_has_its_row(own, folder):
    own(
        """
def test_own(robust_attack, robust_report):
    robust_report.add(robust_attack("fgsm"))
    assert False
"""
    ).assert_outcomes(failed=1, deselected=3)

    assert len(rows(folder)) == 1


def test_what_is_no_result_cannot_be_added_and_that_is_one_line(own):
    result = own("def test_own(robust_report): robust_report.add('pgd')")

    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(["*_ test_own _*", "*'pgd'*robust_attack*", "=*"], consecutive=True)


def test_a_result_of_another_threat_and_attack_is_added_under_parallel_workers_as_well(own, folder):
    text = """
@pytest.mark.parametrize("threat", ["linf:0.05", "l2:0.3"])
def test_own(robust_attack, robust_report, threat):
    for attack in ("fgsm", "pgd:steps=3"):
        robust_report.add(robust_attack(attack, threat))
"""
    own(text).assert_outcomes(passed=2, deselected=3)
    own(text, "-n", "2", "--robust-leaderboard=both").assert_outcomes(passed=2)

    alone, both = (pd.read_csv(folder / name / "results.csv") for name in ("leaderboard", "both"))
    pd.testing.assert_frame_equal(both.drop(columns="seconds"), alone.drop(columns="seconds"))
    assert len(alone) == 6


def test_a_report_without_a_leaderboard_is_shown_only(own, folder):
    result = own(
        "def test_own(robust_attack, robust_report): robust_report.add(robust_attack('fgsm'))",
        "--robust-leaderboard=none",
    )

    result.stdout.fnmatch_lines(["digits, linf:0.15, fgsm, n = 60"])
    assert not (folder / "leaderboard").exists()


# Fixtures that the user replaces

USES = """
def test_own(robust_attack, robust_report):
    robust_report.add(robust_attack("fgsm"))
"""


@pytest.mark.parametrize("scope", ["function", "class", "module"])
def test_the_model_can_be_replaced(own, folder, scope):
    own(
        USES,
        conftest=f"""
from torch import nn

@pytest.fixture(scope="{scope}")
def robust_model(robust_model):
    return nn.Sequential(nn.Dropout(0), robust_model).eval()
""",
    ).assert_outcomes(passed=1, deselected=3)

    (record,) = records(folder)
    assert record.correct.mean() > 0.5


@pytest.mark.parametrize("scope", ["function", "module", "session"])
def test_the_samples_can_be_replaced_and_their_number_follows(run, pytester, folder, scope):
    pytester.makeconftest(
        f"""
import numpy as np
import pytest

@pytest.fixture(scope="{scope}")
def robust_data(robust_data):
    return robust_data.take(np.arange(20))
"""
    )
    pytester.makepyfile(
        test_own="""
        def test_own(robust_attack, robust_report):
            result = robust_attack("fgsm", "linf:0.05")
            assert result.n == 20
            robust_report.add(result)
        """
    )
    run(MODEL).assert_outcomes(passed=4)

    assert [record.data.n for record in records(folder)] == [20, 20]
    assert len({record.data.digest for record in records(folder)}) == 1


def test_replaced_in_one_file_they_are_replaced_there_alone(run, pytester, folder):
    pytester.makepyfile(
        test_own="""
        import numpy as np
        import pytest

        @pytest.fixture
        def robust_data(robust_data):
            return robust_data.take(np.arange(20))

        def test_own(robust_attack, robust_report):
            robust_report.add(robust_attack("fgsm", "linf:0.05"))
        """
    )
    run(MODEL).assert_outcomes(passed=4)

    assert {record.threat: record.data.n for record in records(folder)} == {"linf:0.05": 20, "linf:0.15": 60}


def test_a_replaced_seed_is_the_seed_of_the_attacks_and_of_the_record(run, pytester, folder):
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def robust_seed():
            return 5
        """
    )
    pytester.makepyfile(test_own="def test_own(robust_seed): assert robust_seed == 5")
    run(MODEL).assert_outcomes(passed=4)

    assert [record.seed for record in records(folder)] == [5]


def test_a_replaced_device_is_seen_by_the_tests(own):
    own(
        "def test_own(robust_device): assert robust_device == 'here'",
        conftest="@pytest.fixture\ndef robust_device(): return 'here'\n",
    ).assert_outcomes(passed=1, deselected=3)


def test_a_replaced_attack_is_used_by_the_users_tests(own):
    own(
        "def test_own(robust_attack): assert robust_attack().attack == 'fgsm'",
        conftest="""
@pytest.fixture
def robust_attack(robust_attack):
    return lambda attack="fgsm", **given: robust_attack(attack, **given)
""",
    ).assert_outcomes(passed=1, deselected=3)


def test_a_model_that_does_not_need_ours_is_no_test_for_each(own):
    own(
        "def test_own(robust_model): assert robust_model == 3",
        "--robust-model=net.py:bare",
        conftest="@pytest.fixture\ndef robust_model(): return 3\n",
    ).assert_outcomes(passed=1, deselected=6)


# The mark


def marked(mark, body="robust_attack('fgsm')"):
    return f"@pytest.mark.robust({mark})\ndef test_own(robust_attack): {body}\n"


def test_a_floor_of_a_mark_that_holds_passes(own):
    own(marked("fail_under=30")).assert_outcomes(passed=1, deselected=3)


def test_a_floor_of_a_mark_that_does_not_hold_fails_with_the_command(own):
    result = own(marked("fail_under=90"))

    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(
        [
            "*_ test_own _*",
            "robust accuracy * % (95 % interval * to *, */60) for fgsm under linf:0.15 is below the required 90 %",
            "repeat: pytest --robust-model=net.py:make * 'test_own.py::test_own'",
        ],
        consecutive=True,
    )


def test_a_threat_of_a_mark_is_the_default_and_an_argument_wins(own):
    body = "assert [robust_attack('fgsm').threat, robust_attack('fgsm', 'l2:1').threat] == ['linf:0.05', 'l2:1']"

    own(marked("threat='linf:0.050'", body)).assert_outcomes(passed=1, deselected=3)


def test_the_first_result_below_the_floor_fails(own):
    result = own(marked("fail_under=30", "robust_attack('fgsm'), robust_attack('fgsm', 'linf:0.9'), 1 / 0"))

    result.stdout.fnmatch_lines(["* for fgsm under linf:0.9 is below the required 30 %*"])
    result.stdout.no_fnmatch_line("*ZeroDivisionError*")


@pytest.mark.parametrize(
    ("text", "threat", "floor"),
    [
        ("pytestmark = pytest.mark.robust(threat='l2:1', fail_under=1)\nclass TestIt:", "l2:1", 1),
        ("@pytest.mark.robust(threat='l2:1', fail_under=1)\nclass TestIt:", "l2:1", 1),
        (
            "pytestmark = pytest.mark.robust(threat='l2:1', fail_under=1)\n"
            "@pytest.mark.robust(fail_under=2)\nclass TestIt:",
            "l2:1",
            2,
        ),
        (
            "pytestmark = pytest.mark.robust(threat='l2:1')\n@pytest.mark.robust(fail_under=2)\nclass TestIt:\n"
            "    @pytest.mark.robust(threat='l1:3', fail_under=3)",
            "l1:3",
            3,
        ),
        (
            "pytestmark = [pytest.mark.robust(fail_under=1), pytest.mark.robust(threat='l2:1')]\nclass TestIt:",
            "l2:1",
            1,
        ),
    ],
)
def test_of_marks_on_function_class_and_module_the_nearest_wins(own, text, threat, floor):
    own(
        f"""
{text}
    def test_own(self, robust_attack, request):
        from robust.session.fixtures import read_mark
        mark = read_mark(request.node)
        assert (mark.threat, mark.floor.percent) == ("{threat}", {floor})
        assert robust_attack("fgsm").threat == "{threat}"
"""
    ).assert_outcomes(passed=1, deselected=3)


def test_a_mark_of_one_parameter_set_is_for_that_alone(own):
    own(
        """
@pytest.mark.parametrize("word", ["fgsm", pytest.param("pgd:steps=2", marks=pytest.mark.robust(fail_under=99))])
def test_own(robust_attack, word): robust_attack(word)
"""
    ).assert_outcomes(passed=1, failed=1, deselected=3)


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        ("fail_undr=40", "the mark robust has no keyword 'fail_undr', did you mean 'fail_under'[?]*"),
        ("eps=40", "the mark robust has no keyword 'eps'*fail_under*threat*"),
        ("40", "the mark robust takes keywords only, as robust(fail_under=40), not 40"),
        ("'linf:0.1'", "the mark robust takes keywords only, as robust(*, not 'linf:0.1'"),
        ("fail_under=0.4", "the mark robust: expected a percentage; did you mean 40[?]"),
        ("fail_under=140", "the mark robust: expected a percentage from 0 to 100"),
        ("fail_under='most'", "the mark robust: expected a percentage, as 40, got most"),
        ("fail_under=None", "the mark robust: expected a percentage, as 40, got None"),
        ("threat='lin:0.1'", "the mark robust: *unknown norm 'lin', did you mean 'linf'*"),
        ("threat='linf'", "the mark robust: *eps must be a number such as 8/255*"),
        ("threat=0.1", "the mark robust: *write NORM:EPS*"),
        ("threat='linf:8'", "*did you mean linf:8/255[?]"),
    ],
)
def test_a_mark_that_cannot_be_read_is_one_line(own, mark, told):
    result = own(marked(mark))

    assert result.parseoutcomes()["deselected"] == 3
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*_ *test_own _*", told], consecutive=True)
    for more in ("*Traceback*", "*INTERNALERROR*", "*During handling*"):
        result.stdout.no_fnmatch_line(more)


def test_a_floor_on_a_test_that_attacks_nothing_fails(own):
    for text in (marked("fail_under=1", "pass"), "@pytest.mark.robust(fail_under=1)\ndef test_own(): pass"):
        result = own(text)
        result.assert_outcomes(failed=1, deselected=3)
        result.stdout.fnmatch_lines(["the mark robust(fail_under=1): robust_attack was not called, so nothing*"])


def test_a_floor_on_a_test_that_is_skipped_or_fails_itself_adds_nothing(own):
    result = own(
        marked("fail_under=1", "pytest.skip('not today')")
        + marked("fail_under=1", "assert 'mine' == 1").replace("test_own", "test_two")
        + "@pytest.mark.xfail(reason='known', strict=True)\n"
        + marked("fail_under=99").replace("test_own", "test_three")
    )

    result.assert_outcomes(skipped=1, failed=1, xfailed=1, deselected=3)
    result.stdout.no_fnmatch_line("*was not called*")


def test_a_mark_without_anything_is_only_a_mark(own):
    own("@pytest.mark.robust\ndef test_own(): pass", "-m", "robust").assert_outcomes(passed=1, deselected=3)


def test_a_floor_of_a_mark_fails_by_its_interval_where_that_is_asked_for(own):
    own(marked("fail_under=40"), "--robust-fail-on=ci").assert_outcomes(failed=1, deselected=3)


def test_a_floor_of_a_mark_inside_the_interval_is_told(own):
    result = own(marked("fail_under=40"))

    result.stdout.fnmatch_lines(["WARNING net (as-is): inconclusive: * for fgsm under linf:0.15: the floor of 40 %*"])


def test_a_marked_test_without_fixtures_and_without_a_model_runs_as_any_other(pytester):
    pytester.makepyfile("import pytest\n\n@pytest.mark.robust(threat='l2:1')\ndef test_own(): pass")

    pytester.runpytest_inprocess("--strict-markers").assert_outcomes(passed=1)
