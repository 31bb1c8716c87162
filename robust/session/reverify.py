"""A row's inputs before a fresh process: what an item tells of its model, and what the controller asks."""

from dataclasses import asdict

from robust.device import device_of
from robust.records.evidence import Evidence
from robust.records.record import Record
from robust.session.case import Case, Found
from robust.session.resources import Resources
from robust.verification.candidates import Candidates
from robust.verification.check import describe_faults
from robust.verification.fresh_process import NotDoneError, Source, verify_afresh


class UnverifiedError(Exception):
    """A fresh process found inputs of a row not to be adversarial: in one line which row, and what is wrong."""


def source_of(resources: Resources, case: Case) -> Found:
    """Where the model of a test comes from; a reason where no other process can have it."""
    variant, settings = case.variant, resources.settings
    if case.module is not resources.subject(variant).module:
        return {"reason": "the model is the test's own"}
    if variant in resources.hooked:
        return {"reason": "the model is loaded by pytest_robust_load_model"}
    shape, classes = resources.shape_and_classes
    made = resources.trained.get(variant)
    return asdict(
        Source(
            text=variant.spec.text,
            folder=str(settings.models_below),
            arch=settings.arch,
            arch_folder=str(settings.folder),
            normalize=settings.normalize,
            shape=shape,
            classes=classes,
            trained=str(made.path) if made else None,
            seed=settings.seed,
            device=str(device_of(case.module)),
            code=settings.allowed.code,
            safe_globals=settings.allowed.safe_globals,
            globals_folder=str(settings.allowed.folder),
        )
    )


def reverify(resources: Resources, found: Found, record: Record, evidence: Evidence) -> Found:
    """What the row says of the fresh process; UnverifiedError where that does not confirm the inputs."""
    few, samples = evidence.drawn(resources.settings.fresh, record.seed), resources.samples
    if not len(few.row):
        return {"fresh": 0}
    try:
        if "reason" in found["source"]:
            raise NotDoneError(found["source"]["reason"])
        if samples.digest != record.data.digest:
            raise NotDoneError("the samples are the test's own")
        if record.trust and any(doubt.name == "nondeterministic" for doubt in record.trust.doubts):
            raise NotDoneError("the model draws at random")
        dataset = resources.dataset
        candidates = Candidates(
            x_adv=few.x_adv,
            x=samples.x[few.row],
            y=few.y[few.row],
            threat=record.threat,
            bounds=(dataset.lo, dataset.hi),
            batch=found["batch"],
        )
        look = verify_afresh(Source(**found["source"]), candidates, record.model.weights)
    except NotDoneError as error:
        return {"fresh": 0, "reason": str(error)}
    if look.wrong.any():
        raise UnverifiedError(
            f"{record.model.name} ({record.model.training}), {record.threat}: of {len(few.row)} inputs that were shown "
            f"to the model loaded anew in a fresh process, {describe_faults(look.wrong)}; the row was not filed, for "
            "its figures are of this process alone"
        )
    return {"fresh": len(few.row), "edge": look.edge}
