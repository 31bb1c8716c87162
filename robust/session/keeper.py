"""Keep the rows of a run as a baseline."""

from robust.baseline.git import commit_of
from robust.baseline.matching import refuse, standing
from robust.baseline.replay import hardest
from robust.baseline.store import Kept, save
from robust.baseline.tolerance import ROBUST
from robust.data.spool import picked
from robust.models.load import weights_hash
from robust.records.record import Record
from robust.sampling import draw_rows
from robust.session.ledger import Ledger
from robust.session.workshop import Workshop


def keep(workshop: Workshop, ledger: Ledger) -> str:
    """Where they are kept, for the terminal. LookupError where there is no row, or one that nothing can be held to."""
    settings, keys = workshop.settings, ledger.keys()
    assert settings.baselines.save is not None
    if not keys:
        raise LookupError("no row was measured to its end")
    for key in keys:
        refuse(ledger.record(key))
    commit = commit_of(settings.home.parent, settings.leaderboard)
    most = settings.evidence, settings.gallery
    rows = ((ledger.record(key), ledger.evidence(key, *most), _hardest(workshop, ledger.record(key))) for key in keys)
    place = save(settings.home, settings.baselines.save, commit, rows)
    told = "" if commit is None else f", commit {commit.commit[:8]}{' with uncommitted changes' * commit.dirty}"
    return f"baseline saved: {place.relative_to(settings.home.parent)}{told}"


def _hardest(workshop: Workshop, record: Record) -> Kept | None:
    """The hardest inputs; none where model or samples are a test's own."""
    settings, samples = workshop.settings, workshop.samples
    called = (record.provenance["model"]["text"], record.model.training)
    variant = next(each for each in settings.everything if (each.spec.text, each.training) == called)
    module = workshop.subject(variant).module
    if weights_hash(module) != record.model.weights or samples.digest != record.data.digest:
        return None
    feed, threat = workshop.feed(module), workshop.threat(record.threat)
    found = hardest(module, samples, standing(record, ROBUST), threat, record.seed, feed)
    if found is None or settings.evidence is None:
        return found
    x_adv, rows = found
    few = draw_rows(len(rows), settings.evidence, record.seed)
    return picked(x_adv, few), rows[few]
