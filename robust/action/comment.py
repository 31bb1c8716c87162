"""The comment on a pull request, made where the token may write, from numbers that a stranger's run has written.

A script of its own, `python3 -I comment.py NUMBERS.json`: nothing is installed in that job, and nothing of the pull
request is run or rendered. Each number is of its type and range, each word of a list here, or the file is refused.
"""

import json
import math
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import NormalDist
from typing import Any, TypeVar

T = TypeVar("T")

MARKER = "<!-- pytest-robust -->"  # how our comment begins, which is edited by the next run
AUTHOR = "github-actions[bot]"  # whose it is: others may begin theirs like that
SCHEMA, LARGEST, MOST = 1, 1 << 16, 50  # bytes of the file; rows, and comparisons
COUNT = 10**9
WORDS = {
    "norm": ("linf", "l2", "l1"),
    "verdict": ("trusted", "suspect", "broken", ""),
    "metric": ("clean_acc", "robust_acc"),
    "ruling": ("holds", "inconclusive", "fails"),
    "fail_on": ("figure", "ci"),
}

Found = dict[str, Any]


def read(path: Path) -> Found:
    """The numbers; ValueError where the file is none of ours, too large, or says what no run can have found."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("no plain file")
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"more than {LARGEST} bytes")
    try:
        return _numbers(json.loads(content))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _numbers(given: object) -> Found:
    found = _keys(given, "schema", "status", "failures", "warnings", "rows", "compared")
    _whole(found, "schema", SCHEMA, SCHEMA)
    for key, most in (("status", 255), ("failures", COUNT), ("warnings", COUNT)):
        _whole(found, key, 0, most)
    return found | {
        "rows": _each(found["rows"], _row, MOST),
        "compared": _each(found["compared"], _comparison, MOST),
    }


def _row(given: object) -> Found:
    row = _keys(given, "threat", "n", "correct", "robust", "floor", "fail_on", "verdict", "partial")
    n = _whole(row, "n", 1, COUNT)
    _whole(row, "robust", 0, _whole(row, "correct", 0, n))
    for key in ("fail_on", "verdict"):
        _word(row, key)
    if row["floor"] is not None:
        _real(row, "floor", 0, 100)
    if type(row["partial"]) is not bool:
        raise ValueError("partial: expected true or false")
    return row | {"threat": _each(row["threat"], _threat, 4)}


def _threat(given: object) -> Found:
    threat = _keys(given, "norm", "eps")
    _word(threat, "norm")
    _real(threat, "eps", 0, 1e9)
    return threat


def _comparison(given: object) -> Found:
    found = _keys(given, "metric", "n", "before", "after", "lost", "won", "p", "points", "ruling")
    n = _whole(found, "n", 1, COUNT)
    before, after = (_whole(found, key, 0, n) for key in ("before", "after"))
    lost, won = _whole(found, "lost", 0, before), _whole(found, "won", 0, after)
    if before - lost + won != after:
        raise ValueError("before, lost, won and after do not agree")
    for key, most in (("p", 1), ("points", 100)):
        _real(found, key, 0, most)
    for key in ("metric", "ruling"):
        _word(found, key)
    return found


def _keys(given: object, *keys: str) -> Found:
    if type(given) is not dict or {*given} != {*keys}:
        raise ValueError(f"expected an object of {', '.join(keys)}")
    return given


def _each(given: object, read_one: Callable[[object], T], most: int) -> list[T]:
    if type(given) is not list or len(given) > most:
        raise ValueError(f"expected a list of at most {most}")
    return [read_one(one) for one in given]


def _whole(found: Found, key: str, least: int, most: int) -> int:
    value = found[key]
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{key}: expected a whole number from {least} to {most}")
    return value


def _real(found: Found, key: str, least: float, most: float) -> None:
    value = found[key]
    if type(value) not in (int, float) or not least <= value <= most:  # NaN is in no range
        raise ValueError(f"{key}: expected a number from {least:g} to {most:g}")


def _word(found: Found, key: str) -> None:
    if type(found[key]) is not str or found[key] not in WORDS[key]:
        raise ValueError(f"{key}: expected one of {', '.join(WORDS[key])}")


def render(found: Found | None, conclusion: str, url: str) -> str:
    """The comment; None where the run has left no numbers. Whether it passed is GitHub's word, not the run's."""
    told = {"success": "passed", "failure": "failed"}.get(conclusion, "did not finish")
    lines = [MARKER, f"### Robustness: {told}", ""]
    if found is None:
        lines += ["The run left no figures.", ""]
    else:
        lines += [*_table(_rows(found)), *_table(_comparisons(found))]
        lines += [f"Failures: {found['failures']}. Warnings: {found['warnings']}.", ""]
    link = f"[the run]({url})" if re.fullmatch(r"https://[\w.-]+/[\w./-]+", url) else "the run"
    return "\n".join([*lines, f"Figures as {link} of this pull request reported them; its summary names the models."])


def _rows(found: Found) -> Iterator[list[str]]:
    if found["rows"]:
        yield ["", "threat model", "clean %", "robust %", "95 % interval", "floor", "gate", "verdict", "n"]
    for k, row in enumerate(found["rows"], 1):
        n, robust = row["n"], 100 * row["robust"] / row["n"]
        low, high = (100 * share for share in wilson(row["robust"], n))
        floor = "" if row["floor"] is None else f"{row['floor']:g}"
        gate = "" if row["floor"] is None else gate_of(robust, low, high, row)
        figures = [f"{100 * row['correct'] / n:.1f}", f"{robust:.1f}", f"{low:.1f} to {high:.1f}", floor]
        threat = " or ".join(f"{each['norm']} {size(each['eps'])}" for each in row["threat"])
        yield [str(k), threat, *figures, gate + ", partial" * row["partial"], row["verdict"], str(n)]


def _comparisons(found: Found) -> Iterator[list[str]]:
    if found["compared"]:
        yield ["compared with the baseline", "before %", "now %", "lost", "won", "p", "allowed drop", "gate"]
    for each in found["compared"]:
        shares = [f"{100 * each[key] / each['n']:.1f}" for key in ("before", "after")]
        counts = [str(each["lost"]), str(each["won"]), f"{each['p']:.2g}", f"{each['points']:g}"]
        yield [each["metric"].replace("_acc", " accuracy"), *shares, *counts, each["ruling"]]


def _table(rows: Iterator[list[str]]) -> Iterator[str]:
    for k, cells in enumerate(rows):
        yield f"| {' | '.join(cells)} |"
        if k == 0:
            yield f"|{' --- |' * len(cells)}"
    yield ""


def gate_of(percent: float, low: float, high: float, row: Found) -> str:
    """Return the decision on a row's floor: robust.gates.decide again, which cannot be imported here."""
    if (low if row["fail_on"] == "ci" else percent) < row["floor"]:
        return "fails"
    return "inconclusive" if row["partial"] or low < row["floor"] < high else "holds"


def size(eps: float) -> str:
    """An eps as it is usually written: 8/255, 0.5."""
    levels = eps * 255
    return f"{round(levels)}/255" if levels >= 0.5 and math.isclose(levels, round(levels)) and eps < 1 else f"{eps:g}"


def wilson(k: int, n: int) -> tuple[float, float]:
    """The 95 % Wilson interval of k in n, as robust.stats.wilson has it, without scipy."""
    z = NormalDist().inv_cdf(0.975)
    middle, half = k + z**2 / 2, z * math.sqrt(k * (n - k) / n + z**2 / 4)
    return max(0.0, (middle - half) / (n + z**2)), min(1.0, (middle + half) / (n + z**2))


def gh(path: str, *args: str, body: object = None) -> Any:
    """What GitHub's API answers, by its own client, which has the token."""
    command = ["gh", "api", path, *args, *(["--input", "-"] if body is not None else [])]
    given = None if body is None else json.dumps(body)
    return json.loads(subprocess.run(command, input=given, stdout=subprocess.PIPE, text=True, check=True).stdout)


def pages(path: str) -> Iterator[Found]:
    """All entries of a list that comes page by page."""
    for page in gh(f"{path}per_page=100", "--paginate", "--slurp"):
        yield from page


def post(repository: str, head: str, text: str) -> str:
    """Write or edit the comment on the open pull request whose head it is; returns what was done.

    The number is asked for, not taken from the run, which could name any. One that has moved on gets the next run's.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository) or not re.fullmatch(r"[0-9a-f]{40}", head):
        raise ValueError(f"expected OWNER/NAME and a commit, got {repository!r} and {head!r}")
    number = next((each["number"] for each in pages(f"repos/{repository}/pulls?state=open&") if _heads(each, head)), 0)
    if not number:
        return f"no open pull request is at {head[:8]}"
    for comment in pages(f"repos/{repository}/issues/{number}/comments?"):
        if (comment["user"] or {}).get("login") == AUTHOR and (comment["body"] or "").startswith(MARKER):
            gh(f"repos/{repository}/issues/comments/{comment['id']}", "--method=PATCH", body={"body": text})
            return f"edited the comment on #{number}"
    gh(f"repos/{repository}/issues/{number}/comments", "--method=POST", body={"body": text})
    return f"commented on #{number}"


def _heads(pull: Found, head: str) -> bool:
    return bool(pull["head"]["sha"] == head)


def main(path: Path, environment: Mapping[str, str]) -> str:
    """What was done, or why nothing was: then ValueError."""
    found = read(path) if os.path.lexists(path) else None
    text = render(found, environment.get("CONCLUSION", ""), environment.get("RUN_URL", ""))
    return post(environment.get("GH_REPO", ""), environment.get("HEAD_SHA", ""), text)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{main(Path(sys.argv[1]), os.environ)}\n")
    except (ValueError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"::error title=pytest-robust::there is no comment: {error}")
