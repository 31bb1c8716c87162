"""Write the comment on a pull request, where the token may write, from numbers that a stranger's run has written.

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
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from statistics import NormalDist
from typing import Any, TypeVar

T = TypeVar("T")

MARKER = "<!-- pytest-robust -->"  # our comment begins with it, and is edited by the next run
AUTHOR = "github-actions[bot]"  # of our comment: others may begin theirs like that
SCHEMA = 1
MAX_BYTES, MAX_ROWS = 1 << 16, 50  # of the file; rows, and likewise comparisons
MAX_COUNT, MAX_REAL = 10**9, 1e12
MEANS = {  # no counts of samples
    "mean": "mean score, in its units",
    "miou": "mIoU, in percent",
    "mean_corrupted": "mean accuracy over corruptions, in percent",
    "distance": "mean distance to adversarial inputs",
}
NO_EPS = ("features", "product", "patch", "universal-patch", "spatial", "corruption")  # families that have no one eps
WORDS = {
    "norm": ("linf", "l2", "l1", "l0", *NO_EPS),
    "verdict": ("trusted", "suspect", "broken", ""),
    "metric": ("clean_acc", "robust_acc", "certified_acc", *MEANS),
    "ruling": ("holds", "inconclusive", "fails"),
    "fail_on": ("figure", "ci"),
    "part": ("class", "group"),
}

Numbers = dict[str, Any]


def read(path: Path) -> Numbers:
    """Read the numbers; raise ValueError if the file is not ours, too large, or says what no run can have found."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("no plain file")
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES} bytes")
    try:
        return _check_numbers(json.loads(content))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _check_numbers(given: object) -> Numbers:
    numbers = _check_keys(given, "schema", "status", "failures", "warnings", "rows", "compared")
    _check_whole(numbers, "schema", SCHEMA, SCHEMA)
    for key, most in (("status", 255), ("failures", MAX_COUNT), ("warnings", MAX_COUNT)):
        _check_whole(numbers, key, 0, most)
    return numbers | {
        "rows": _read_list(numbers["rows"], _row, MAX_ROWS),
        "compared": _read_list(numbers["compared"], _comparison, MAX_ROWS),
    }


def _row(given: object) -> Numbers:
    keys = ("threat", "n", "correct", "robust", "floor", "fail_on", "verdict", "partial", "weakest")
    row = _check_keys(given, *keys)
    n = _check_whole(row, "n", 1, MAX_COUNT)
    _check_whole(row, "robust", 0, _check_whole(row, "correct", 0, n))
    for key in ("fail_on", "verdict"):
        _check_word(row, key)
    if row["floor"] is not None:
        _check_real(row, "floor", 0, 100)
    if type(row["partial"]) is not bool:
        raise ValueError("partial: expected true or false")
    return row | {
        "threat": _read_list(row["threat"], _threat, 4),
        "weakest": _read_list(row["weakest"], lambda weakest: _weakest(weakest, n), 2),
    }


def _weakest(given: object, most: int) -> Numbers:
    """Check the weakest class or group of a row of so many samples."""
    weakest = _check_keys(given, "part", "n", "robust", "of", "floor", "ruling")
    _check_whole(weakest, "robust", 0, _check_whole(weakest, "n", 1, most))
    _check_whole(weakest, "of", 1, most)
    _check_word(weakest, "part")
    if weakest["floor"] is not None:
        _check_real(weakest, "floor", 0, 100)
    if weakest["ruling"] is not None:
        _check_word(weakest, "ruling")
    return weakest


def _threat(given: object) -> Numbers:
    threat = _check_keys(given, "norm", "eps")
    _check_word(threat, "norm")
    _check_real(threat, "eps", 0, 1e9)
    return threat


def _comparison(given: object) -> Numbers:
    numbers = _check_keys(given, "metric", "n", "before", "after", "lost", "won", "p", "points", "ruling")
    n = _check_whole(numbers, "n", 1, MAX_COUNT)
    for key in ("metric", "ruling"):
        _check_word(numbers, key)
    if numbers["metric"] in MEANS:
        return _check_mean(numbers, n)
    before, after = (_check_whole(numbers, key, 0, n) for key in ("before", "after"))
    lost, won = _check_whole(numbers, "lost", 0, before), _check_whole(numbers, "won", 0, after)
    if before - lost + won != after:
        raise ValueError("before, lost, won and after do not agree")
    for key, most in (("p", 1), ("points", 100)):
        _check_real(numbers, key, 0, most)
    return numbers


def _check_mean(numbers: Numbers, n: int) -> Numbers:
    """Check the comparison of a mean, whose figures are in its own units."""
    for key, most in (("before", MAX_REAL), ("after", MAX_REAL), ("p", 1), ("points", MAX_REAL)):
        _check_real(numbers, key, 0, most)
    if _check_whole(numbers, "lost", 0, n) + _check_whole(numbers, "won", 0, n) > n:
        raise ValueError("lost, won and n do not agree")
    return numbers


def _check_keys(given: object, *keys: str) -> Numbers:
    if type(given) is not dict or {*given} != {*keys}:
        raise ValueError(f"expected an object of {', '.join(keys)}")
    return given


def _read_list(given: object, read_one: Callable[[object], T], most: int) -> list[T]:
    if type(given) is not list or len(given) > most:
        raise ValueError(f"expected a list of at most {most}")
    return [read_one(one) for one in given]


def _check_whole(numbers: Numbers, key: str, least: int, most: int) -> int:
    value = numbers[key]
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{key}: expected a whole number from {least} to {most}")
    return value


def _check_real(numbers: Numbers, key: str, least: float, most: float) -> None:
    value = numbers[key]
    if type(value) not in (int, float) or not least <= value <= most:  # NaN is in no range
        raise ValueError(f"{key}: expected a number from {least:g} to {most:g}")


def _check_word(numbers: Numbers, key: str) -> None:
    if type(numbers[key]) is not str or numbers[key] not in WORDS[key]:
        raise ValueError(f"{key}: expected one of {', '.join(WORDS[key])}")


def render(numbers: Numbers | None, conclusion: str, url: str) -> str:
    """Return the comment; `numbers` is None if the run left no numbers. GitHub, not the run, says whether it passed."""
    outcome = {"success": "passed", "failure": "failed"}.get(conclusion, "did not finish")
    lines = [MARKER, f"### Robustness: {outcome}", ""]
    if numbers is None:
        lines += ["The run left no figures.", ""]
    else:
        weakest = [*_list_weakest(numbers)]
        lines += [*_table(_rows(numbers)), *(_table(weakest) if weakest else []), *_table(_comparisons(numbers))]
        lines += [f"Failures: {numbers['failures']}. Warnings: {numbers['warnings']}.", ""]
    link = f"[the run]({url})" if re.fullmatch(r"https://[\w.-]+/[\w./-]+", url) else "the run"
    return "\n".join([*lines, f"Figures as {link} of this pull request reported them; its summary names the models."])


def _rows(numbers: Numbers) -> Iterator[list[str]]:
    if numbers["rows"]:
        yield ["", "threat model", "clean %", "robust %", "95 % interval", "floor", "gate", "verdict", "n"]
    for k, row in enumerate(numbers["rows"], 1):
        n, robust = row["n"], 100 * row["robust"] / row["n"]
        low, high = (100 * share for share in wilson(row["robust"], n))
        floor = "" if row["floor"] is None else f"{row['floor']:g}"
        gate = "" if row["floor"] is None else decide_gate(robust, low, high, row)
        figures = [f"{100 * row['correct'] / n:.1f}", f"{robust:.1f}", f"{low:.1f} to {high:.1f}", floor]
        threat = " or ".join(_describe_part(part) for part in row["threat"])
        yield [str(k), threat, *figures, gate + ", partial" * row["partial"], row["verdict"], str(n)]


def _list_weakest(numbers: Numbers) -> Iterator[list[str]]:
    """Yield the cells of the weakest class and group of each row; none without any."""
    found = [(k, weakest) for k, row in enumerate(numbers["rows"], 1) for weakest in row["weakest"]]
    if found:
        yield ["", "weakest", "robust %", "95 % interval", "floor", "gate", "n"]
    for k, weakest in found:
        low, high = (100 * share for share in wilson(weakest["robust"], weakest["n"]))
        figures = [f"{100 * weakest['robust'] / weakest['n']:.1f}", f"{low:.1f} to {high:.1f}"]
        floor = "" if weakest["floor"] is None else f"{weakest['floor']:g}"
        named = f"of {weakest['of']} {'classes' if weakest['part'] == 'class' else 'groups'}"
        yield [str(k), named, *figures, floor, weakest["ruling"] or "", str(weakest["n"])]


def _describe_part(part: Numbers) -> str:
    return str(part["norm"]) if part["norm"] in NO_EPS else f"{part['norm']} {format_eps(part['eps'])}"


def _comparisons(numbers: Numbers) -> Iterator[list[str]]:
    if numbers["compared"]:
        yield ["compared with the baseline", "before %", "now %", "lost", "won", "p", "allowed drop", "gate"]
    for figures in numbers["compared"]:
        shares = [_figure(figures, key) for key in ("before", "after")]
        counts = [str(figures["lost"]), str(figures["won"]), f"{figures['p']:.2g}", f"{figures['points']:g}"]
        words = MEANS.get(figures["metric"], figures["metric"].replace("_acc", " accuracy"))
        yield [words, *shares, *counts, figures["ruling"]]


def _figure(figures: Numbers, key: str) -> str:
    """Return a figure before or after: the share of a count in percent, or a mean."""
    return f"{figures[key]:.4g}" if figures["metric"] in MEANS else f"{100 * figures[key] / figures['n']:.1f}"


def _table(rows: Iterable[list[str]]) -> Iterator[str]:
    for k, cells in enumerate(rows):
        yield f"| {' | '.join(cells)} |"
        if k == 0:
            yield f"|{' --- |' * len(cells)}"
    yield ""


def decide_gate(percent: float, low: float, high: float, row: Numbers) -> str:
    """Return the decision on a row's floor: robust.gates.decide again, which cannot be imported here."""
    if (low if row["fail_on"] == "ci" else percent) < row["floor"]:
        return "fails"
    return "inconclusive" if row["partial"] or low < row["floor"] < high else "holds"


def format_eps(eps: float) -> str:
    """Format an eps as it is usually written: 8/255, 0.5."""
    levels = eps * 255
    return f"{round(levels)}/255" if levels >= 0.5 and math.isclose(levels, round(levels)) and eps < 1 else f"{eps:g}"


def wilson(k: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of k in n, as robust.stats.wilson does, without scipy."""
    z = NormalDist().inv_cdf(0.975)
    middle, half = k + z**2 / 2, z * math.sqrt(k * (n - k) / n + z**2 / 4)
    return max(0.0, (middle - half) / (n + z**2)), min(1.0, (middle + half) / (n + z**2))


def call_gh(path: str, *args: str, body: object = None) -> Any:
    """Return what GitHub's API answers, by its own client, which has the token."""
    command = ["gh", "api", path, *args, *(["--input", "-"] if body is not None else [])]
    given = None if body is None else json.dumps(body)
    return json.loads(subprocess.run(command, input=given, stdout=subprocess.PIPE, text=True, check=True).stdout)


def list_pages(path: str) -> Iterator[Numbers]:
    """Yield all entries of a list that comes page by page."""
    for page in call_gh(f"{path}per_page=100", "--paginate", "--slurp"):
        yield from page


def post(repository: str, head: str, text: str) -> str:
    """Write or edit the comment on the open pull request whose head is `head`; return what was done.

    GitHub gives the number of the pull request: the run could name any. One that has moved on gets the next run's.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository) or not re.fullmatch(r"[0-9a-f]{40}", head):
        raise ValueError(f"expected OWNER/NAME and a commit, got {repository!r} and {head!r}")
    number = next(
        (pull["number"] for pull in list_pages(f"repos/{repository}/pulls?state=open&") if _heads(pull, head)), 0
    )
    if not number:
        return f"no open pull request is at {head[:8]}"
    for comment in list_pages(f"repos/{repository}/issues/{number}/comments?"):
        if (comment["user"] or {}).get("login") == AUTHOR and (comment["body"] or "").startswith(MARKER):
            call_gh(f"repos/{repository}/issues/comments/{comment['id']}", "--method=PATCH", body={"body": text})
            return f"edited the comment on #{number}"
    call_gh(f"repos/{repository}/issues/{number}/comments", "--method=POST", body={"body": text})
    return f"commented on #{number}"


def _heads(pull: Numbers, head: str) -> bool:
    return bool(pull["head"]["sha"] == head)


def main(path: Path, environment: Mapping[str, str]) -> str:
    """Return what was done; raise ValueError, with the reason, if nothing was."""
    numbers = read(path) if os.path.lexists(path) else None
    text = render(numbers, environment.get("CONCLUSION", ""), environment.get("RUN_URL", ""))
    return post(environment.get("GH_REPO", ""), environment.get("HEAD_SHA", ""), text)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{main(Path(sys.argv[1]), os.environ)}\n")
    except (ValueError, OSError, subprocess.SubprocessError) as error:
        sys.exit(f"::error title=pytest-robust::there is no comment: {error}")
