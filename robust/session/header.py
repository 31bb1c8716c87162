"""The first lines of a run: what it measures, and what its checks may take."""

from collections.abc import Iterator, Sequence

from robust.attacks.draws import Draws
from robust.attacks.text import printable
from robust.attacks.words import describe_threat, families_of
from robust.records.used import name_pool
from robust.settings.architecture import is_taken
from robust.settings.settings import Settings
from robust.trust.pass_share import least_of, share_of


def describe_run(settings: Settings) -> list[str]:
    """Describe what a run measures; and what its checks may take beside the attacks, before it begins."""
    data = settings.dataset
    name, _, of = name_pool(data.name)
    parts = [
        f"{name}, a recipe trained for each on the others" if of else name,
        ", ".join(describe_threat(text, data.lo, data.hi) for text in settings.threats),
    ]
    parts += [f"attacks {', '.join(settings.attacks)}"] * bool(settings.attacks)
    parts += [f"suites {', '.join(suite.name for suite in settings.suites)}"] * bool(settings.suites)
    draw = f"; draw {settings.draw}" * (settings.draw != settings.seed)
    lines = [f"robust: {'; '.join(parts)}; seed {settings.seed}{draw}"]
    if settings.arch and not is_taken(settings.models, settings.surrogates):
        lines.append(
            f"robust: no model is a file of weights, so the ini file's robust_arch={settings.arch} is not used"
        )
    if settings.draws:
        lines.append(f"robust: draws {settings.draws}: {Draws.parse(settings.draws).describe_cost()}")
    if settings.verdict is not None and (shares := "; ".join(_describe_shares(settings))):
        lines.append(f"robust: checks take up to {shares}")
    return [printable(line) for line in lines]


def _describe_shares(settings: Settings) -> Iterator[str]:
    """Yield the share of the passes of each row that its checks may take; the largest of all threat models."""
    if settings.attacks:
        yield _describe_share("the attacks", [settings.attacks])
    families = {frozenset(families_of([threat])) for threat in settings.threats}
    for suite in settings.suites:
        rows = [[stage.attack for stage in suite.stages if some.intersection(stage.threats)] for some in families]
        yield _describe_share(suite.name, rows)


def _describe_share(name: str, rows: Sequence[Sequence[str]]) -> str:
    share, least = max(map(share_of, rows)), max(map(least_of, rows))
    return f"{100 * share:.0f} % of the passes of {name}, or {least} of a sample"
