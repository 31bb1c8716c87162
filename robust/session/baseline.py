"""Which baseline a run is compared with: found and held against what is to be measured before the first test."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robust.attacks.factory import make
from robust.attacks.spec import Spec
from robust.attacks.text import printable
from robust.baseline import store
from robust.baseline.git import commit_of, precedes
from robust.baseline.matching import AbsentError, UnfitError, Wanted, find_match, measured, refuse, robust_flags
from robust.baseline.replay import hardest
from robust.baseline.store import Baseline, Saved, save
from robust.baseline.tolerance import ROBUST
from robust.data.dataset import Samples
from robust.data.spool import pick_rows
from robust.evaluation.measure import options_of
from robust.models.load import hash_weights
from robust.records.record import DataUsed, Record
from robust.sampling import draw_rows
from robust.session.resources import Resources
from robust.session.results import Results
from robust.settings.baseline import AUTO, LATEST, RegressionCheck
from robust.settings.parsing import blaming
from robust.settings.settings import Variant


@dataclass(frozen=True, slots=True)
class SelectedBaseline:
    """What a run is compared with; None, and why, where `auto` has found nothing."""

    baseline: Baseline | None
    why: str = ""

    def to_json(self) -> list[str]:
        """For a worker: another run may save a baseline before it looks."""
        return [str(self.baseline.path) if self.baseline else "", self.why]

    @classmethod
    def from_json(cls, told: list[str]) -> "SelectedBaseline":
        path, why = told
        return cls(store.read(Path(path)) if path else None, why)


def select(resources: Resources) -> SelectedBaseline:
    """The baseline of this run; pytest.UsageError where it is missing, or not of what will be measured."""
    asked, home = resources.settings.baselines, resources.settings.home
    assert asked.compare is not None
    with blaming(f"compare={asked.compare}"):
        kept = store.saved_baselines(home)
        if asked.compare == AUTO:
            return _newest(resources, kept)
        if asked.compare == LATEST and not kept:
            raise LookupError(f"there is no baseline in {home / 'baselines'}; make one with --robust-save")
        path = kept[0] if asked.compare == LATEST else asked.folder / asked.compare
        try:
            return SelectedBaseline(_fit(resources, store.read(path)))
        except UnfitError as error:
            raise UnfitError(f"{path.name}: {error.args[0]}") from None


def row_of(
    resources: Resources, baseline: Baseline, variant: Variant, check: RegressionCheck, samples: Samples
) -> Record:
    """What a figure of these samples is compared with; UnfitError where there is nothing."""
    settings = resources.settings
    wanted = Wanted(
        data=DataUsed(settings.dataset.name, "test", len(samples), samples.digest),
        model=variant.spec.name,
        training=variant.training,
        threat=str(resources.threat(check.threat)),
        suite=check.row or "+".join(sorted(Spec.parse(attack).slug for attack in settings.attacks)),
        seed=settings.seed,
        options=_options(resources, check.row),
    )
    named = settings.baselines.compare in (AUTO, LATEST)
    single = len(settings.everything) == 1
    try:
        return find_match(baseline.records, wanted, alone=not named and single)
    except AbsentError as error:
        alike = (path for path, record in baseline.rows.items() if single and measured(record, wanted))
        if (path := next(alike, None)) is None:
            raise
        given = os.path.relpath(path, settings.baselines.folder)
        told = f"to compare whatever the model is called, name the row's own file: --robust-compare={given}"
        raise AbsentError(printable(f"{error.args[0]}; {told}")) from None


def _newest(resources: Resources, kept: list[Path]) -> SelectedBaseline:
    """The newest baseline that fits, of a commit that this one came from where git can tell."""
    whys = []
    for path in kept:
        try:
            baseline = store.read(path)
            if baseline.commit and precedes(baseline.commit, resources.settings.home.parent) is False:
                raise UnfitError(f"what is checked out did not come from its commit {baseline.commit[:8]}")
            return SelectedBaseline(_fit(resources, baseline))
        except (ValueError, LookupError) as error:
            whys.append(f"{path.name}: {error.args[0]}")
    none = f"there is none in {resources.settings.home / 'baselines'}"
    return SelectedBaseline(
        None, f"no baseline was compared with: {whys[0] if whys else none}; make one with --robust-save"
    )


def _fit(resources: Resources, baseline: Baseline) -> Baseline:
    for variant in resources.settings.everything:
        for check in resources.settings.guards:
            row_of(resources, baseline, variant, check, resources.samples)
    return baseline


def _options(resources: Resources, row: str) -> dict[str, Any]:
    """Of the row's attacks, or of its suite, by name."""
    settings = resources.settings
    suites = {suite.name: suite.told(settings.search) for suite in settings.suites if suite.name == row}
    return suites or {word: options_of(make(word, resources.surrogate)) for word in settings.attacks}


def save_rows(resources: Resources, results: Results) -> str:
    """Where they are kept, for the terminal. LookupError where there is no row, or one that nothing can be held to."""
    settings, keys = resources.settings, results.row_keys()
    assert settings.baselines.save is not None
    if not keys:
        raise LookupError("no row was measured to its end")
    for key in keys:
        refuse(results.record(key))
    commit = commit_of(settings.home.parent, settings.leaderboard)
    most = settings.evidence, settings.gallery
    rows = (
        (results.record(key), results.evidence(key, *most), _hardest(resources, results.record(key))) for key in keys
    )
    place = save(settings.home, settings.baselines.save, commit, rows)
    told = "" if commit is None else f", commit {commit.commit[:8]}{' with uncommitted changes' * commit.dirty}"
    return f"baseline saved: {place.relative_to(settings.home.parent)}{told}"


def _hardest(resources: Resources, record: Record) -> Saved | None:
    """The hardest inputs; none where model or samples are a test's own."""
    settings, samples = resources.settings, resources.samples
    called = (record.provenance["model"]["text"], record.model.training)
    variant = next(each for each in settings.everything if (each.spec.text, each.training) == called)
    module = resources.subject(variant).module
    if hash_weights(module) != record.model.weights or samples.digest != record.data.digest:
        return None
    feed, threat = resources.feed(module), resources.threat(record.threat)
    found = hardest(module, samples, robust_flags(record, ROBUST), threat, record.seed, feed)
    if found is None or settings.evidence is None:
        return found
    x_adv, rows = found
    few = draw_rows(len(rows), settings.evidence, record.seed)
    return pick_rows(x_adv, few), rows[few]
