"""The step's summary: a table, a chart of bars, and what failed, as Markdown that GitHub renders.

Names come from the repository under test, and so from strangers: in the table they are escaped, and messages stand in
fences that they cannot close.
"""

import re
from collections.abc import Iterable, Sequence

from robust.action.annotate import clean
from robust.action.comment import MEANS, wilson
from robust.action.outcome import Line, Outcome, Word
from robust.report.markdown import escape

MAX_ROWS, MAX_MESSAGES = 50, 20  # the most that are shown
MAX_BYTES = 1 << 20  # bytes that GitHub takes of a step
WIDTH = 50  # letters of a bar of 100 %
NAMED, FIGURES = ("model", "training", "data", "threat", "attacks"), ("clean %", "robust %", "95 % interval", "floor")
REST = ("gate", "verdict", "n")
CERTIFIED = "certified %"  # a column where some row has a certificate
HEADINGS: dict[Word, str] = {
    "passed": "### Robustness: passed",
    "inconclusive": "### Robustness: passed, inconclusive\n\nA gate is not settled: more samples or time would tell.",
    "failed": "### Robustness: failed",
}
COMPARED = ("compared with the baseline", "before %", "now %", "lost", "won", "p", "allowed drop", "")


def format_summary(outcome: Outcome) -> str:
    """Return the summary, which is below GitHub's limit."""
    parts = [HEADINGS[outcome.word]]
    if outcome.lines:
        parts += [_table(outcome.lines[:MAX_ROWS]), _chart(outcome.lines[:MAX_ROWS])]
    parts += _weakest(outcome.lines[:MAX_ROWS])
    parts += [f"And {len(outcome.lines) - MAX_ROWS} rows more, in the report."] * (len(outcome.lines) > MAX_ROWS)
    if outcome.compared:
        parts.append(_comparisons([*outcome.compared.values()][:MAX_ROWS]))
    failed = [f"{failure.test}\n{failure.text}".strip() for failure in outcome.failures]
    parts += _messages("What failed", failed) + _messages("To be read beside the figures", outcome.warnings)
    text = "\n\n".join(parts) + "\n"
    return (
        text if len(text.encode()) < MAX_BYTES else f"{parts[0]}\n\nThe summary would be too large; see the report.\n"
    )


def format_refusal(message: str) -> str:
    """Return the summary of a step whose inputs are wrong, so that nothing was measured."""
    return f"### Robustness: not measured\n\n{fence(clean(message))}\n"


def fence(text: str) -> str:
    """Put a text into a block of code, which it cannot end."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def draw_bar(percent: float, floor: float | None = None) -> str:
    """Draw a bar of so many percent, with a stroke at the floor."""
    cells = ["\u2588" if k < round(percent * WIDTH / 100) else "\u2591" for k in range(WIDTH)]
    if floor is not None:
        cells[min(WIDTH - 1, round(floor * WIDTH / 100))] = "|"
    return "".join(cells)


def _table(lines: Sequence[Line]) -> str:
    certified = [CERTIFIED] * any(line.record.certificate for line in lines)
    heads = ("", *NAMED, *FIGURES, *certified, *REST)
    rules = ("---:", *[":---"] * 5, *["---:"] * (4 + len(certified)), ":---", ":---", "---:")
    return _rows(heads, rules, ([str(k), *_cells(line, bool(certified))] for k, line in enumerate(lines, 1)))


def _cells(line: Line, certified: bool) -> list[str]:
    row, record = line.row, line.record
    named = [record.model.name, record.model.training, record.data.name, record.threat, record.suite]
    figures = [f"{row.clean:.1f}", f"{row.robust:.1f}", f"{row.low:.1f} to {row.high:.1f}"]
    floor = "" if line.floor is None else f"{line.floor:g}"
    gate = (line.ruling or "") + ", partial" * bool(record.partial)
    proved = "" if record.certificate is None else f"{100 * record.certificate.certified.mean():.1f}"
    shown = [*figures, floor, *[proved] * certified, gate, record.verdict, str(record.data.n)]
    return [*(escape(clean(name)[:200]) for name in named), *shown]


def _weakest(lines: Sequence[Line]) -> list[str]:
    """Return the table of the weakest class and group of each row, by its number; none without any."""
    rows = []
    for k, line in enumerate(lines, 1):
        for weakest in line.weakest:
            (low, high), n = wilson(weakest.robust, weakest.n), weakest.n
            named = f"{weakest.part} {escape(clean(weakest.name)[:200])}, of {weakest.of}"
            figures = [f"{100 * weakest.correct / n:.1f}", f"{100 * weakest.robust / n:.1f}"]
            floor = "" if weakest.floor is None else f"{weakest.floor:g}"
            interval = f"{100 * low:.1f} to {100 * high:.1f}"
            rows.append([f"row {k}", named, *figures, interval, floor, weakest.ruling or "", str(n)])
    rules = (":---", ":---", *["---:"] * 4, ":---", "---:")
    return [_rows(("", "weakest", *FIGURES, "gate", "n"), rules, rows)] if rows else []


def _chart(lines: Sequence[Line]) -> str:
    """Draw two bars a row, by its number in the table, so that no name is in it."""
    shown = []
    for k, line in enumerate(lines, 1):
        shown.append(f"{k:>3} clean   {draw_bar(line.row.clean, line.clean_floor)} {line.row.clean:5.1f} %")
        shown.append(f"    robust  {draw_bar(line.row.robust, line.floor)} {line.row.robust:5.1f} %")
    return fence("\n".join(shown))


def _comparisons(compared: Iterable[dict[str, object]]) -> str:
    rows = []
    for figures in compared:
        n, metric = int(str(figures["n"])), str(figures["metric"])
        words = MEANS.get(metric, metric.replace("_acc", " accuracy"))
        both = [float(str(figures[key])) for key in ("before", "after")]
        shares = [f"{figure:.4g}" if metric in MEANS else f"{100 * figure / n:.1f}" for figure in both]
        counts = [str(figures["lost"]), str(figures["won"]), f"{float(str(figures['p'])):.2g}"]
        rows.append([words, *shares, *counts, f"{figures['points']:g}", str(figures["ruling"])])
    return _rows(COMPARED, (":---", *["---:"] * 6, ":---"), rows)


def _rows(heads: Sequence[str], rules: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rules, *rows))


def _messages(title: str, texts: Sequence[str]) -> list[str]:
    if not texts:
        return []
    more = [f"... and {len(texts) - MAX_MESSAGES} more; the log has them"] * (len(texts) > MAX_MESSAGES)
    return [f"**{title}**", fence("\n\n".join([*map(clean, texts[:MAX_MESSAGES]), *more]))]
