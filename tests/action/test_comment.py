"""The comment: what is no number or no known word is refused, and what is posted is ours alone."""

import copy
import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from robust.action import comment
from robust.action.comment import MARKER, decide_gate, format_eps, read, render, wilson
from robust.action.comment_data import to_numbers
from robust.action.outcome import Line, Outcome
from robust.gates import Floor, Measured, decide
from robust.stats import wilson as exact
from tests.action.composite import ROOT, run
from tests.action.test_outputs import COMPARED, HOSTILE, MEAN_LINES, MEANS
from tests.making import record

HEAD = "0123456789abcdef0123456789abcdef01234567"
URL = "https://github.com/o/r/actions/runs/1"
GH = """#!{python}
import json, os, sys
from pathlib import Path
log, answers = Path(os.environ["GH_LOG"]), json.loads(os.environ["GH_ANSWERS"])
given = json.loads(sys.stdin.read()) if "--input" in sys.argv else None
with log.open("a") as file:
    file.write(json.dumps([sys.argv[1:], given]) + "\\n")
print(json.dumps(answers.get(sys.argv[2], {{}})))
"""


def found():
    """Numbers as a run writes them."""
    lines = [
        Line(record(name=HOSTILE), 50, None),
        Line(record(adversarial={"pgd": "11100000"}, threat="l2:0.5"), None, None),
    ]
    outcome = Outcome(1, lines, [], ["w"], {HOSTILE: COMPARED})
    return json.loads(to_numbers(outcome))


def reading(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read(path)


@pytest.mark.parametrize(
    ("threat", "told"),
    [
        ("patch:5x5", "patch"),
        ("patch:5x5:universal=true", "universal-patch"),
        ("linf:0.1+patch:2%", "linf 0.1 or patch"),
        ("image=linf:0.1;meta=l2:1", "product"),
        ("spatial:rotate=9", "spatial"),
        ("corruption:3", "corruption"),
        ("l0:20", "l0 20"),
    ],
)
def test_a_threat_model_of_every_family_has_its_word(threat, told, tmp_path):
    numbers = json.loads(to_numbers(Outcome(0, [Line(record(threat=threat), None, None)], [], [], {})))
    lines = render(reading(tmp_path / "numbers.json", numbers), "success", URL).split("\n")

    assert any(line.startswith(f"| 1 | {told} |") for line in lines), lines


def test_what_a_run_writes_is_read_and_rendered(tmp_path):
    told = render(reading(tmp_path / "numbers.json", found()), "failure", URL)

    assert told.split("\n") == [
        MARKER,
        "### Robustness: failed",
        "",
        "|  | threat model | clean % | robust % | 95 % interval | floor | gate | verdict | n |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        "| 1 | linf 0.15 | 75.0 | 75.0 | 40.9 to 92.9 | 50 | inconclusive |  | 8 |",
        "| 2 | l2 0.5 | 75.0 | 37.5 | 13.7 to 69.4 |  |  |  | 8 |",
        "",
        "| compared with the baseline | before % | now % | lost | won | p | allowed drop | gate |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| robust accuracy | 75.0 | 25.0 | 5 | 1 | 0.22 | 2 | fails |",
        "",
        "Failures: 0. Warnings: 1.",
        "",
        f"Figures as [the run]({URL}) of this pull request reported them; its summary names the models.",
    ]


@pytest.mark.parametrize(("compared", "expected"), MEAN_LINES.values(), ids=MEAN_LINES)
def test_the_comparison_of_a_mean_is_rendered_in_its_own_units(compared, expected, tmp_path):
    outcome = Outcome(1, [], [], [], {HOSTILE: compared})
    told = render(reading(tmp_path / "numbers.json", json.loads(to_numbers(outcome))), "failure", URL)

    assert expected in told.split("\n")


@pytest.mark.parametrize("key", [key for key in COMPARED if key != "margin"])
@pytest.mark.parametrize("value", [HOSTILE, "1", -1, 10**400, float("nan"), float("inf"), [HOSTILE]], ids=repr)
def test_no_figure_of_a_mean_score_takes_what_is_not_its_own(key, value, tmp_path):
    content = found() | {"compared": [{each: MEANS[each] for each in MEANS if each != "margin"} | {key: value}]}

    with pytest.raises(ValueError, match=r".+"):
        reading(tmp_path / "numbers.json", content)


def test_the_largest_comment_is_one_that_github_takes():
    content = found()
    threat = {"norm": "linf", "eps": 0.123456789}
    row = content["rows"][0] | {"n": 10**9, "correct": 10**9, "threat": [threat] * 4, "partial": True}
    rows = {"rows": [row] * comment.MAX_ROWS, "compared": content["compared"] * comment.MAX_ROWS}

    assert len(render(comment._check_numbers(content | rows), "success", URL)) < 65536


PATHS = [
    *[(key,) for key in ("schema", "status", "failures", "warnings", "rows", "compared")],
    *[("rows", 0, key) for key in ("threat", "n", "correct", "robust", "floor", "fail_on", "verdict", "partial")],
    *[("rows", 0, "threat", 0, key) for key in ("norm", "eps")],
    *[("compared", 0, key) for key in COMPARED if key != "margin"],
]
WRONG = [HOSTILE, "1", -1, 10**400, float("nan"), float("inf"), [HOSTILE], {"a": HOSTILE}, [[]]]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_no_field_takes_what_is_not_its_own(path, value, tmp_path):
    content = found()
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value

    with pytest.raises(ValueError, match=r".+"):
        reading(tmp_path / "numbers.json", content)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(extra=1),
        lambda c: c.pop("warnings"),
        lambda c: c["rows"][0].update(model=HOSTILE),
        lambda c: c["rows"][0].update(robust=7),  # more than are answered right
        lambda c: c["rows"][0].update(n=0),
        lambda c: c["rows"][0].update(n=True),
        lambda c: c["rows"][0].update(floor=100.1),
        lambda c: c["rows"][0].update(fail_on="never"),
        lambda c: c.update(rows=c["rows"] * 26),
        lambda c: c["compared"][0].update(after=3),  # counts that do not agree
        lambda c: c["compared"][0].update(p=1.1),
    ],
)
def test_what_no_run_can_have_found_is_refused(change, tmp_path):
    content = copy.deepcopy(found())
    change(content)

    with pytest.raises(ValueError, match=r"expected|agree"):
        reading(tmp_path / "numbers.json", content)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 60_000, "1" * 5000, '{"schema": 1}', "\udcff"])
def test_what_is_no_such_json_is_refused(text, tmp_path):
    (tmp_path / "numbers.json").write_bytes(text.encode("utf-8", "surrogateescape"))

    with pytest.raises(ValueError, match=r".+"):
        read(tmp_path / "numbers.json")


def test_a_huge_file_a_link_and_a_pipe_are_refused(tmp_path):
    (tmp_path / "huge").write_bytes(b" " * 2**20 + json.dumps(found()).encode())
    (tmp_path / "link").symlink_to("/etc/hostname")
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ValueError, match="more than 65536 bytes"):
        read(tmp_path / "huge")
    with pytest.raises(OSError, match="symbolic link"):
        read(tmp_path / "link")
    with pytest.raises(ValueError, match="no plain file"):
        read(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("conclusion", "told"),
    [("success", "passed"), ("failure", "failed"), ("cancelled", "did not finish"), (HOSTILE, "did not finish")],
)
def test_a_run_without_numbers_is_told_by_its_conclusion(conclusion, told):
    text = render(None, conclusion, f"{URL}) <script>")

    assert text.startswith(f"{MARKER}\n### Robustness: {told}\n\nThe run left no figures.\n")
    assert "script" not in text


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (3, 8), (450, 599), (1, 10**9)])
def test_the_interval_is_that_of_the_rows(k, n):
    assert wilson(k, n) == pytest.approx(exact(k, n), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("partial", ["", "time"])
@pytest.mark.parametrize("fail_on", ["figure", "ci"])
@pytest.mark.parametrize("floor", [10, 40, 70, 75, 80, 95])
def test_the_script_decides_on_numbers_as_the_run_does(floor, fail_on, partial):
    """The script is alone with the numbers: nothing of the project is installed where it runs."""
    made = record()
    line = Line(replace(made, attacks=(replace(made.attacks[0], partial=partial),)), floor, None, fail_on)
    row, (numbered,) = line.row, json.loads(to_numbers(Outcome(0, [line])))["rows"]

    decision = decide(Measured.of(6, 8), Floor(floor), fail_on, bound=bool(partial))
    assert decide_gate(row.robust, row.low, row.high, numbered) == decision.ruling


@pytest.mark.parametrize(
    ("eps", "told"), [(8 / 255, "8/255"), (0.5, "0.5"), (0.15, "0.15"), (0.0, "0"), (12.0, "12"), (1 / 255, "1/255")]
)
def test_an_eps_is_written_as_usual(eps, told):
    assert format_eps(eps) == told


@pytest.fixture
def posted(tmp_path):
    """Run comment/action.yml with a gh that notes what it is asked: (the run, its calls)."""
    path = tmp_path / "bin" / "gh"
    path.parent.mkdir()
    path.write_text(GH.format(python=sys.executable))
    path.chmod(0o755)

    def call(content, answers, head=HEAD):
        (tmp_path / "numbers.json").write_text(json.dumps(content))
        environment = {
            "PATH": f"{path.parent}{os.pathsep}{os.environ['PATH']}",
            "GH_LOG": str(tmp_path / "log"),
            "GH_ANSWERS": json.dumps(answers),
            "GH_REPO": "o/r",
            "HEAD_SHA": head,
            "CONCLUSION": "failure",
            "RUN_URL": URL,
        }
        inputs = {"numbers": "numbers.json"}
        ran = run(ROOT / "comment", inputs, cwd=tmp_path, folder=tmp_path, environment=environment)
        log = tmp_path / "log"
        return ran, [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    return call


PULLS, COMMENTS = "repos/o/r/pulls?state=open&per_page=100", "repos/o/r/issues/7/comments?per_page=100"
OPEN = {PULLS: [[{"number": 6, "head": {"sha": "f" * 40}}], [{"number": 7, "head": {"sha": HEAD}}]]}


def said(login, body=f"{MARKER}\nold", number=1):
    return {"id": number, "user": login and {"login": login}, "body": body}


def test_the_first_comment_is_written_on_the_pull_request_of_that_head(posted):
    others = [said("mallory"), said(None), said("github-actions[bot]", "another"), said("github-actions[bot]", None)]
    ran, calls = posted(found(), OPEN | {COMMENTS: [others]})

    assert (ran.status, ran.log) == (0, "commented on #7\n")
    arguments, body = calls[-1]
    assert arguments == ["api", "repos/o/r/issues/7/comments", "--method=POST", "--input", "-"]
    assert body["body"].startswith(f"{MARKER}\n### Robustness: failed\n")
    assert "alert" not in body["body"]


def test_the_next_one_edits_it(posted):
    ran, calls = posted(found(), OPEN | {COMMENTS: [[said("mallory", number=1)], [said(comment.AUTHOR, number=2)]]})

    assert (ran.status, ran.log) == (0, "edited the comment on #7\n")
    assert calls[-1][0] == ["api", "repos/o/r/issues/comments/2", "--method=PATCH", "--input", "-"]


def test_a_pull_request_that_has_moved_on_gets_none(posted):
    ran, calls = posted(found(), {PULLS: [[]]})

    assert (ran.status, ran.log) == (0, f"no open pull request is at {HEAD[:8]}\n")
    assert len(calls) == 1


@pytest.mark.parametrize("content", [HOSTILE, found() | {"status": HOSTILE}, found() | {"rows": HOSTILE}])
def test_numbers_that_are_none_are_refused_before_anything_is_asked(posted, content):
    ran, calls = posted(content, OPEN)

    assert (ran.status, calls) == (1, [])
    ((name, properties, text),) = ran.commands
    assert (name, properties) == ("error", "title=pytest-robust")
    assert "alert" not in text


def test_the_script_runs_by_itself(tmp_path):
    """Run it isolated, without the packages of this environment: nothing is installed."""
    script = ROOT / "robust" / "action" / "comment.py"
    told = [sys.executable, "-I", "-S", str(script), str(tmp_path / "none.json")]
    done = subprocess.run(told, capture_output=True, text=True, check=False, env={})

    assert done.returncode == 1
    assert done.stderr == (
        "::error title=pytest-robust::there is no comment: expected OWNER/NAME and a commit, got '' and ''\n"
    )
