"""The action's outputs of an outcome: annotations, the summary and SARIF, escaped and within their limits."""

import json
import re
import sys
from dataclasses import replace
from subprocess import run

import pytest

from robust.action.annotate import MAX_CHARACTERS, MAX_SHOWN, annotate, format_annotation
from robust.action.comment_data import to_numbers
from robust.action.inputs import read_inputs
from robust.action.outcome import Failure, Line, Outcome, load, save
from robust.action.sarif import to_sarif
from robust.action.step import _figures
from robust.action.summary import MAX_BYTES, MAX_MESSAGES, MAX_ROWS, draw_bar, fence, format_summary
from robust.records.trust import TrustReport
from tests.making import record

HOSTILE = "a|b\n\n::error::x\r<script>alert(1)</script>${{ github.token }} [x](http://x) `$(id)` \x1b[31m% , : \u202e"
COMPARED = {
    "margin": "robust_acc:2pp", "metric": "robust_acc", "points": 2.0, "n": 8, "before": 6, "after": 2, "lost": 5,
    "won": 1, "p": 0.21875, "ruling": "fails",
}  # fmt: skip

MEANS = COMPARED | {
    "margin": "mean:+2.5", "metric": "mean", "points": 2.5, "before": 42.9712, "after": 69.2, "won": 3,
}  # fmt: skip

DISTANCES = COMPARED | {
    "margin": "distance:0%", "metric": "distance", "points": 0.0, "before": 0.1234, "after": 0.1,
}  # fmt: skip


IOUS = COMPARED | {"margin": "miou:2pp", "metric": "miou", "before": 67.4321, "after": 53.85}

CORRUPTED = COMPARED | {"margin": "mean:2pp", "metric": "mean_corrupted", "before": 67.4321, "after": 53.85}


def line(floor=None, ruling=None, **made):
    return Line(record(**made), floor, None, ruling=ruling)


def outcome(*lines, status=0, **found):
    return Outcome(status, list(lines), **found)


def hostile():
    """An outcome whose every text is a stranger's."""
    failure = Failure(HOSTILE, f"{HOSTILE}.py::test_clean", HOSTILE, 3)
    row = line(50, name=HOSTILE, training="as-is", data=HOSTILE)
    return outcome(row, status=1, failures=[failure], warnings=[HOSTILE], compared={HOSTILE: COMPARED})


def test_an_annotation_is_one_line_whatever_it_holds():
    told = format_annotation("error", Failure(HOSTILE, HOSTILE, HOSTILE, 3))

    assert told.splitlines() == [told]
    name, properties, text = re.fullmatch(r"::(\w+) ([^:]*)::(.*)", told).groups()
    assert name == "error"
    assert [each.partition("=")[0] for each in properties.split(",")] == ["file", "line", "title"]
    assert text.startswith("a|b%0A%0A:?error::x%0A<script>")
    assert "\x1b" not in told
    assert "%25 , :" in text


def test_at_most_nine_annotations_of_a_kind_and_the_last_says_how_many_more():
    many = [Failure(f"wrong {k}") for k in range(MAX_SHOWN + 12)]
    told = [*annotate(outcome(status=1, failures=many, warnings=["w"] * (MAX_SHOWN + 1)))]

    assert [each.partition(" ")[0] for each in told] == ["::error"] * 9 + ["::warning"] * 9
    assert told[MAX_SHOWN].endswith("::... and 12 more; the step's summary and its log have them")
    assert len([*annotate(outcome(failures=many[:MAX_SHOWN]))]) == MAX_SHOWN


def test_a_long_message_is_cut():
    assert len(format_annotation("error", Failure("x" * 10_000))) < MAX_CHARACTERS + 100


def test_the_summary_shows_names_as_text():
    told = format_summary(hostile())

    head, rule, row = re.findall(r"^\|.*$", told, re.MULTILINE)[:3]
    assert {len(re.findall(r"(?<!\\)\|", each)) for each in (head, rule, row)} == {14}
    assert not re.search(r"(?<!\\)[<`\[]", row)
    assert "\x1b" not in told
    assert "\u202e" not in told
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", told, flags=re.MULTILINE | re.DOTALL)
    assert "<script>" not in outside
    assert "::error" not in outside.replace("\\", "").replace(row.replace("\\", ""), "")


@pytest.mark.parametrize("text", ["```", "a ````` b", "", "`", "x\n```\n<script>"])
def test_a_fence_is_longer_than_any_in_what_it_holds(text):
    first, *middle, last = fence(text).split("\n")

    assert first == f"{last}text"
    assert last not in "\n".join(middle)


def test_a_summary_keeps_below_the_limit_of_a_step():
    many = outcome(*[line(50)] * (MAX_ROWS + 7), status=1, failures=[Failure("y" * 4000, "t")] * 500)
    told = format_summary(many)

    assert len(told.encode()) < MAX_BYTES
    assert "And 7 rows more, in the report." in told
    assert f"... and {500 - MAX_MESSAGES} more; the log has them" in told
    assert len(format_summary(outcome(status=1, failures=[Failure("\u2588" * 100_000)] * 20)).encode()) < MAX_BYTES


def test_the_bars_say_what_the_table_says():
    told = format_summary(outcome(line(50, "inconclusive", correct="11111100", adversarial={"pgd": "11000000"})))

    assert "| 75.0 | 50.0 | 21.5 to 78.5 | 50 | inconclusive |  | 8 |" in told
    assert draw_bar(50, 60).count("█") == 25
    assert draw_bar(50, 60)[30] == "|"
    assert (draw_bar(0), draw_bar(100)) == ("░" * 50, "█" * 50)
    assert draw_bar(100, 100)[-1] == "|"


def test_a_comparison_is_a_line():
    told = format_summary(outcome(status=1, compared={"told": COMPARED}))

    assert "| robust accuracy | 75.0 | 25.0 | 5 | 1 | 0.22 | 2 | fails |" in told


MEAN_LINES = {
    "miou": (IOUS, "| mIoU, in percent | 67.43 | 53.85 | 5 | 1 | 0.22 | 2 | fails |"),
    "mean_corrupted": (
        CORRUPTED,
        "| mean accuracy over corruptions, in percent | 67.43 | 53.85 | 5 | 1 | 0.22 | 2 | fails |",
    ),
    "mean": (MEANS, "| mean score, in its units | 42.97 | 69.2 | 5 | 3 | 0.22 | 2.5 | fails |"),
    "distance": (DISTANCES, "| mean distance to adversarial inputs | 0.1234 | 0.1 | 5 | 1 | 0.22 | 0 | fails |"),
}


@pytest.mark.parametrize(("compared", "expected"), MEAN_LINES.values(), ids=MEAN_LINES)
def test_the_comparison_of_a_mean_is_a_line_in_its_own_units(compared, expected):
    told = format_summary(outcome(status=1, compared={"told": compared}))

    assert expected in told


@pytest.mark.parametrize(("ruling", "cell"), [(None, ""), ("holds", "holds"), ("inconclusive", "inconclusive")])
def test_the_summary_shows_the_decision_of_the_run_and_makes_none(ruling, cell):
    """All 75 % of the samples that are answered right are robust: below 80 %, whatever the run has decided."""
    assert f"| 80 | {cell} |  | 8 |" in format_summary(outcome(line(80, ruling)))
    row = record()
    stopped = replace(row, attacks=(replace(row.attacks[0], partial="time"),))
    assert f"| 80 | {cell}, partial |  | 8 |" in format_summary(outcome(Line(stopped, 80, None, ruling=ruling)))


@pytest.mark.parametrize(
    ("status", "found", "word"),
    [
        (0, {}, "passed"),
        (0, {"unsure": True}, "inconclusive"),
        (0, {"compared": {"told": COMPARED | {"ruling": "inconclusive"}}}, "inconclusive"),
        (1, {"unsure": True}, "failed"),
    ],
)
def test_a_run_is_told_by_its_status_and_by_whether_its_gates_are_settled(status, found, word):
    told = outcome(line(50), status=status, **found)

    assert told.word == word
    assert word in format_summary(told).partition("\n")[0]


def test_the_outputs_are_of_the_least_robust_row():
    rows = line(adversarial={"pgd": "11000000"}), line(adversarial={"pgd": "11110000"}), line()
    found = _figures(outcome(*rows, compared={"a": COMPARED | {"ruling": "holds"}}))

    assert found.pop("robust-accuracy-low").startswith("7.")
    assert found == {"passed": "true", "regressed": "false", "clean-accuracy": "75.00", "robust-accuracy": "25.00"}
    assert _figures(outcome(status=1)) == {"passed": "false", "regressed": ""}
    assert _figures(outcome(status=1, compared={"a": COMPARED}))["regressed"] == "true"


def test_an_outcome_comes_back_as_it_was_noted(tmp_path):
    path, noted = tmp_path / "notes.json", hostile()
    save(path, noted)
    found = load(path, 1)

    assert found.failures == noted.failures
    assert (found.warnings, found.compared, found.status) == (noted.warnings, noted.compared, 1)
    assert [(each.record.to_json(), each.floor) for each in found.lines] == [(noted.lines[0].record.to_json(), 50)]
    path.write_text("{}")
    with pytest.raises(ValueError, match="not what a run notes"):
        load(path, 1)


def test_sarif_has_what_the_standard_requires():
    """Section 3 of SARIF 2.1.0: what must be there, and the words of fixed lists."""
    told = json.loads(to_sarif(hostile(), "pyproject.toml"))

    assert {*told} <= {"$schema", "version", "runs"}
    assert told["version"] == "2.1.0"
    (run_,) = told["runs"]
    driver = run_["tool"]["driver"]
    assert driver["name"] == "pytest-robust"
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[\w.]+)?", driver["semanticVersion"])
    rules = [rule["id"] for rule in driver["rules"]]
    assert len(rules) == len({*rules})
    assert [result["ruleId"] for result in run_["results"]] == ["clean-accuracy", "doubt"]
    for result in run_["results"]:
        assert result["ruleId"] in rules
        assert result["level"] in {"none", "note", "warning", "error"}
        assert result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert re.fullmatch(r"[\w%./~-]+", place["artifactLocation"]["uri"])
        assert place["region"]["startLine"] >= 1
    assert run_["results"][1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "pyproject.toml"


def test_an_alert_stays_the_same_while_its_figures_change():
    def mark(text, test="net.py::test_suite[quick-1]"):
        (result,) = json.loads(to_sarif(outcome(status=1, failures=[Failure(text, test)])))["runs"][0]["results"]
        return result["partialFingerprints"]

    assert mark("robust accuracy 41 %") == mark("robust accuracy 40 %")
    assert mark("robust accuracy 41 %") != mark("robust accuracy 41 %", "net.py::test_clean")

    row = (
        "net (as-is), linf:{eps}: robust accuracy {k}.0 % (95 % interval {k}.0 to 2.4e-05, {k}/60) over fgsm+pgd-steps5"
    )
    alike = {str(mark(row.format(eps=0.1, k=k), "")) for k in (30, 31)}
    others = {str(mark(row.format(eps=0.2, k=30), "")), str(mark(f"{row.format(eps=0.1, k=30)}0", ""))}
    assert len(alike) == 1
    assert len(alike | others) == 3


def test_numbers_hold_no_text_of_the_run():
    trusted = replace(record(name=HOSTILE, data=HOSTILE), trust=TrustReport((), (), ("masking",), (), 1.0))
    told = to_numbers(
        outcome(Line(trusted, 40, None), status=1, failures=[Failure(HOSTILE)], compared={HOSTILE: COMPARED})
    )

    words = {*re.findall(r'"([^"]*)"', told)}
    assert "alert" not in told
    assert words - {"linf", "trusted", "robust_acc", "fails", "figure"} <= {
        "schema", "status", "failures", "warnings", "rows", "compared", "threat", "norm", "eps", "n", "correct",
        "robust", "floor", "fail_on", "verdict", "partial", "metric", "before", "after", "lost", "won", "p", "points",
            "ruling", "weakest", "part", "of",
    }  # fmt: skip


def test_inputs_become_arguments_and_no_shell_sees_them():
    given = {
        "INPUT_MODEL": "a.py:make\n  b.py:make  \n\n", "INPUT_THREAT": "linf:8/255", "INPUT_FAIL_UNDER": "clean:90\n40",
        "INPUT_DATA": "$(id); rm -rf x", "INPUT_ARGS": "-k\na and b\n", "INPUT_REPORT_DIR": "out dir",
        "INPUT_SUITE": " \n",
    }  # fmt: skip

    assert read_inputs(given).arguments == [
        "--robust-only",
        "--robust-model=a.py:make",
        "--robust-model=b.py:make",
        "--robust-data=$(id); rm -rf x",
        "--robust-threat=linf:8/255",
        "--robust-fail-under=clean:90",
        "--robust-fail-under=40",
        "--robust-leaderboard=out dir",
        "-k",
        "a and b",
    ]
    assert read_inputs({}).arguments == ["--robust-only", "--robust-leaderboard=robust-report"]
    with pytest.raises(ValueError, match="input report-dir: expected one line, got 2"):
        read_inputs({"INPUT_REPORT_DIR": "a\npassed=true"})


def test_the_action_itself_imports_no_torch():
    code = "import sys, robust.action.step, robust.action.pytest_plugin; sys.exit('torch' in sys.modules)"

    assert run([sys.executable, "-c", code], check=False).returncode == 0
