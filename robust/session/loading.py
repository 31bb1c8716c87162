"""Loading of a model of a run: the terms in this process, and the source from which another process has it again."""

from pathlib import Path

from robust.device import device_of
from robust.models.answering import draws_of
from robust.models.format import Terms
from robust.models.load import Subject
from robust.session.data import RunData
from robust.settings.settings import Settings, Variant
from robust.verification.fresh_process import Source


def make_terms(settings: Settings, data: RunData, classes: int) -> Terms:
    """Return what a model of so many classes is loaded for, and what it may do."""
    return Terms(
        shape=data.shape,
        classes=classes,
        permissions=settings.permissions,
        normalize=settings.normalize,
        output=settings.output or "",
        inputs=data.probe,
        labels=data.dataset.labels,
        map_size=data.map_size,
        layout=data.dataset.layout,
        declared=not data.dataset.open,
        road=settings.road,
        home=settings.home,
    )


def make_source(settings: Settings, data: RunData, variant: Variant, subject: Subject, trained: Path | None) -> Source:
    """Return where another process finds a model; `trained` is the file of the weights that a recipe made here."""
    return Source(
        text=variant.spec.text,
        folder=str(settings.models_below),
        arch=settings.arch,
        arch_folder=str(settings.folder),
        normalize=settings.normalize,
        shape=data.shape,
        classes=data.classes,
        output=subject.output,
        labels=data.dataset.labels,
        map_size=data.map_size,
        layout=layout.to_json() if (layout := data.dataset.layout) else "",
        trained=str(trained) if trained else None,
        seed=settings.seed,
        device=str(device_of(subject.module)),
        code=settings.permissions.code,
        safe_globals=settings.permissions.safe_globals,
        globals_folder=str(settings.permissions.folder),
        draws=draws_of(subject.module),
    )
