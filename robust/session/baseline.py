"""The baseline of a run: selected before the first test, held against what will be measured, or saved at the end."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robust.attacks.factory import make
from robust.attacks.spec import Spec
from robust.attacks.text import printable
from robust.attacks.words import families_of
from robust.baseline import store
from robust.baseline.git import precedes, read_commit
from robust.baseline.matching import (
    AbsentError,
    UnfitError,
    Wanted,
    certified_flags,
    find_match,
    is_same_row,
    refuse,
    robust_flags,
)
from robust.baseline.replay import find_hardest
from robust.baseline.store import Baseline, Saved, save
from robust.baseline.tolerance import CERTIFIED, CORRUPTED, MEAN, MIOU, ROBUST
from robust.data.dataset import Samples
from robust.data.spool import pick_rows
from robust.evaluation.corruptions import name_resize
from robust.evaluation.measure import options_of
from robust.models.weights import hash_weights
from robust.records.record import Record
from robust.records.used import DataUsed
from robust.sampling import draw_rows
from robust.session.data import RunData
from robust.session.float_models import find_card
from robust.session.models import Models
from robust.session.resources import Resources
from robust.session.results import Results
from robust.settings.baseline import AUTO, FLOAT, LATEST, RegressionCheck
from robust.settings.parsing import blaming
from robust.settings.settings import Settings, Variant

LISTED = 5  # baselines that an error names


@dataclass(frozen=True, slots=True)
class SelectedBaseline:
    """The baseline that a run is compared with; None, and why, if `auto` has found nothing."""

    baseline: Baseline | None
    why: str = ""

    def to_json(self) -> list[str]:
        """Return [path, why] for a worker: another run may save a baseline before the worker looks."""
        return [str(self.baseline.path) if self.baseline else "", self.why]

    @classmethod
    def from_json(cls, content: list[str]) -> "SelectedBaseline":
        """Read the baseline that `to_json` names."""
        path, why = content
        return cls(store.read(Path(path)) if path else None, why)


def select(settings: Settings, data: RunData, models: Models) -> SelectedBaseline:
    """Select the baseline of this run; raise pytest.UsageError if it is missing, or of something else."""
    compare, home = settings.baselines.compare, settings.home
    assert compare is not None
    with blaming(f"compare={compare}"):
        if compare == FLOAT:
            if not any(map(find_card, settings.everything)):
                raise LookupError("no model of this run is of robust compress, whose card names a float network")
            return SelectedBaseline(None)
        saved = store.list_baselines(home)
        if compare == AUTO:
            return _select_newest(saved, settings, data, models)
        if compare == LATEST and not saved:
            raise LookupError(f"there is no baseline in {home / 'baselines'}; make one with --robust-save")
        path = saved[0] if compare == LATEST else settings.baselines.folder / compare
        if not path.exists():
            raise LookupError(_describe_missing(path, saved, settings.baselines.folder))
        baseline = store.read(path)
        try:
            _check_rows(baseline, settings, data, models)
        except UnfitError as error:
            raise UnfitError(f"{path.name}: {error.args[0]}") from None
        return SelectedBaseline(baseline)


def _describe_missing(path: Path, saved: Sequence[Path], folder: Path) -> str:
    """Return why nothing lies at a path, which may be the name that a baseline was saved under, and what there is."""
    paths = [os.path.relpath(each, folder) for each in saved]
    named = [place for place, each in zip(paths, saved, strict=True) if each.name.partition("_")[2] == path.name]
    if named:
        there = f"what was saved as {path.name} is {named[0]}"
    elif paths:
        there = f"saved here, the newest first: {', '.join(paths[:LISTED])}{', ...' if len(paths) > LISTED else ''}"
    else:
        there = "none is saved here; make one with --robust-save"
    what = f"{LATEST}, {AUTO}, or the path of a baseline, a leaderboard or a row's .json"
    return printable(f"there is no such file or folder (looked for {path}); expected {what}; {there}")


def find_row(
    baseline: Baseline,
    check: RegressionCheck,
    variant: Variant,
    samples: Samples,
    settings: Settings,
    data: RunData,
    models: Models,
) -> Record:
    """Find the row that a figure of these samples is compared with; raise UnfitError if there is none."""
    wanted = Wanted(
        data=DataUsed(settings.dataset.name, "test", len(samples), samples.digest),
        model=variant.spec.name,
        training=variant.training,
        threat=str(data.read_threat(check.threat)),
        suite=check.row or "+".join(sorted(Spec.parse(attack).slug for attack in settings.attacks)),
        seed=settings.seed,
        options=_list_options(check, settings, models),
        draw=settings.draw,
        criterion={"name": samples.criterion},
        draws=models.find_draws(variant),
        before=name_resize(samples, check.threat),
    )
    by_name = settings.baselines.compare in (AUTO, LATEST)
    single = len(settings.everything) == 1
    try:
        other = single and settings.baselines.compare == LATEST
        return find_match(baseline.records, wanted, alone=not by_name and single, any_training=other)
    except AbsentError as error:
        alike = (path for path, record in baseline.rows.items() if single and is_same_row(record, wanted))
        if (path := next(alike, None)) is None:
            raise
        file = os.path.relpath(path, settings.baselines.folder)
        hint = f"to compare whatever the model is called, name the row's own file: --robust-compare={file}"
        raise AbsentError(printable(f"{error.args[0]}; {hint}")) from None


def _select_newest(saved: Sequence[Path], settings: Settings, data: RunData, models: Models) -> SelectedBaseline:
    """Select the newest baseline that fits, and whose commit precedes this one if git knows."""
    reasons = []
    for path in saved:
        try:
            baseline = store.read(path)
            if baseline.commit and precedes(baseline.commit, settings.home.parent) is False:
                raise UnfitError(f"what is checked out did not come from its commit {baseline.commit[:8]}")
            _check_rows(baseline, settings, data, models)
            return SelectedBaseline(baseline)
        except (ValueError, LookupError) as error:
            reasons.append(f"{path.name}: {error.args[0]}")
    reason = reasons[0] if reasons else f"there is none in {settings.home / 'baselines'}"
    return SelectedBaseline(None, f"no baseline was compared with: {reason}; make one with --robust-save")


def _check_rows(baseline: Baseline, settings: Settings, data: RunData, models: Models) -> None:
    """Raise UnfitError if a row of this run has none to compare with."""
    for variant in settings.everything:
        for check in settings.regression_checks:
            record = find_row(baseline, check, variant, data.samples, settings, data, models)
            if check.margin.metric == MEAN and record.worst_score is None:
                raise UnfitError(f"the row of {Wanted.of(record)} has no scores; it was measured without them")
            if check.margin.metric == MIOU and record.worst_regions is None:
                raise UnfitError(f"the row of {Wanted.of(record)} has no mIoU; it was measured without it")
            if check.margin.metric == CORRUPTED and record.corrupted is None:
                raise UnfitError(f"the row of {Wanted.of(record)} has no answers to each corruption")
            if check.margin.metric == CERTIFIED and settings.baselines.strict:
                certified_flags(record, settings.certify)


def _list_options(check: RegressionCheck, settings: Settings, models: Models) -> dict[str, Any]:
    """List the options of the row's attacks, or of its suite, by name."""
    families = families_of([check.threat])
    suites = {
        suite.name: suite.determinants(settings.search, families)
        for suite in settings.suites
        if suite.name == check.row
    }
    return suites or {attack: options_of(make(attack, models.load_surrogate)) for attack in settings.attacks}


def save_rows(resources: Resources, results: Results) -> str:
    """Save the rows of a run as a baseline; return a line that says where.

    Raises LookupError if there is no row, or one whose figures are none to compare with.
    """
    settings, keys = resources.settings, results.list_keys()
    assert settings.baselines.save is not None
    if not keys:
        raise LookupError("no row was measured to its end")
    for key in keys:
        refuse(results.get_record(key))
    commit = read_commit(settings.home.parent, settings.leaderboard)
    rows = (
        (results.get_record(key), results.collect_evidence(key, settings.evidence, settings.gallery)) for key in keys
    )
    with_hardest = ((record, evidence, _hardest_of_row(resources, record)) for record, evidence in rows)
    place = save(settings.home, settings.baselines.save, commit, with_hardest)
    by = "" if commit is None else f", commit {commit.commit[:8]}{' with uncommitted changes' * commit.dirty}"
    return f"baseline saved: {place.relative_to(settings.home.parent)}{by}"


def _hardest_of_row(resources: Resources, record: Record) -> Saved | None:
    """Find the hardest inputs of a row; None if its model or its samples are a test's own."""
    settings, samples = resources.settings, resources.data.samples
    names = (record.provenance["model"]["text"], record.model.training)
    variant = next(variant for variant in settings.everything if (variant.spec.text, variant.training) == names)
    module = resources.models.load(variant).module
    if hash_weights(module) != record.model.weights or samples.digest != record.data.digest:
        return None
    batcher, threat = resources.answers.get_batcher(module), resources.data.read_threat(record.threat)
    saved = find_hardest(module, samples, robust_flags(record, ROBUST), threat, record.seed, batcher)
    if saved is None or settings.evidence is None:
        return saved
    x_adv, rows = saved
    few = draw_rows(len(rows), settings.evidence, record.seed)
    return pick_rows(x_adv, few), rows[few]
