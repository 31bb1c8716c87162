"""PayloadBuilder: builds the payload that the session files from the results of a test."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from robust.attacks.grammar.features import tables_of
from robust.device import device_of
from robust.evaluation.illustrate import illustrate
from robust.evaluation.measure import AttackResult, CleanResult
from robust.models.answering import draws_of
from robust.models.load import Subject
from robust.records.attack_outcome import AttackOutcome
from robust.records.columns import QUERIES, REGIONS, SCORE, THETA, UNDECIDED, Columns
from robust.records.corrupted import CORRUPTED
from robust.records.moved import Moved
from robust.records.used import DataUsed, ModelUsed
from robust.session.case import Case, fail
from robust.session.float_models import describe_compressed
from robust.session.payload import AttackPayload, ItemPayload, RowPart, Setup
from robust.session.resources import Resources
from robust.session.result import Result
from robust.session.waiting_inputs import write_inputs
from robust.user_code import describe_user_error
from robust.verification.candidates import Candidates
from robust.verification.moved import count_moved, count_parts


def name_columns(found: CleanResult | AttackResult) -> Columns:
    """Return the scores of a result, what its inputs, corruptions and queries tell, and which samples no test decides.

    There are no columns of what it does not have.
    """
    columns = {SCORE: found.score, REGIONS: found.regions, UNDECIDED: found.undecided}
    if isinstance(found, AttackResult):
        columns |= {THETA: found.theta, CORRUPTED: found.corrupted, QUERIES: found.queries}
    return {name: column for name, column in columns.items() if column is not None}


class PayloadBuilder:
    """Builds the payloads of the tests of one process."""

    def __init__(self, resources: Resources) -> None:
        self._settings = resources.settings
        self._data = resources.data
        self._models = resources.models
        self._answers = resources.answers
        self._is_first = resources.ranks.first

    def build(self, case: Case, row: RowPart | None = None, result: Result | None = None) -> ItemPayload:
        """Build the payload of a test: of its row, if it has one, and of an attack's result, if it ran one."""
        clean = self._answers.get_clean(case.module, case.samples)
        attack = None if result is None else self.build_attack(case, result)
        return ItemPayload(self._build_setup(case), clean.correct, name_columns(clean), row, attack)

    def build_attack(self, case: Case, result: Result) -> AttackPayload:
        """Build the part of an attack: its outcomes, and the file where its inputs wait."""
        attack = result.found
        outcome = AttackOutcome(
            name=attack.attack,
            options=attack.options,
            adversarial=attack.adversarial,
            forwards=attack.forwards,
            backwards=attack.backwards,
            seconds=attack.seconds,
            stages=attack.stages,
            partial=attack.partial,
            rounded=attack.rounded,
            asked=attack.asked,
            moved=_count_moved(case, result),
            columns=name_columns(attack),
        )
        images = self._draw_images(case, result)
        levels = self._settings.dataset.levels if attack.rounded is not None else None
        inputs = self.write_inputs(case, f"{result.attack} {result.threat}", result.x_adv, images)
        return AttackPayload(outcome, levels, inputs, tuple(images))

    def _build_setup(self, case: Case) -> Setup:
        variant, samples, settings, dataset = case.variant, case.samples, self._settings, self._settings.dataset
        reader = self._data.group_reader
        loaded, subject = self._models.load(variant), Subject(variant.spec.name, variant.training, case.module)
        return Setup(
            model=ModelUsed(subject.name, variant.training, subject.weights, subject.params),
            data=DataUsed(dataset.name, "test", len(samples), samples.digest),
            seed=case.seed,
            model_text=variant.spec.text,
            arch=settings.arch,
            normalize=settings.normalize,
            output=settings.output,
            transforms=(*dataset.transforms, *self._data.dataset.remarks.notes),
            notes=loaded.notes if loaded.module is case.module else (),  # a fixture of the user's may replace it
            device=str(device_of(case.module)),
            batch=self._answers.get_batcher(case.module).size,
            source=self._models.find_source(variant, case.module),
            trained=self._models.get_card(variant),
            draw=None if settings.draw == case.seed else settings.draw,
            criterion=samples.criterion,
            layout=samples.layout_text,
            draws=draws_of(case.module),
            classes=self._data.dataset.names,
            grouped=None if reader is None else reader.provenance,
            compressed=describe_compressed(variant, case.module),
        )

    def _draw_images(self, case: Case, result: Result) -> dict[str, NDArray[Any]]:
        """Draw images of a few adversarial inputs, for the page. An error costs the row nothing but them."""
        settings, dataset = self._settings, self._data.dataset
        if settings.leaderboard is None or not settings.gallery or not self._is_first:
            return {}
        try:
            samples, batch = (
                case.samples.take(np.flatnonzero(result.broken)),
                self._answers.get_batcher(case.module).size,
            )
            bounds, word = (dataset.lo, dataset.hi), result.threat
            rules = (word, bounds, batch, samples.criterion, tables_of(word), samples.layout_text)
            resized = samples.find_resized(word)
            candidates = Candidates(result.x_adv, samples.x, samples.y, *rules, result.found.theta_adv, resized)
            gallery = illustrate(case.module, candidates, result.broken, most=settings.gallery, seed=case.seed)
        except Exception as error:
            case.warn(f"no images under {result.threat}: {describe_user_error(error)}")
            return {}
        return gallery.arrays() if gallery else {}

    def write_inputs(
        self, case: Case, what: str, x_adv: NDArray[np.float32], images: dict[str, NDArray[Any]]
    ) -> str | None:
        """Write the inputs, and the arrays of images, that wait for their row; return the file, if there is a row."""
        if not self._settings.files or not self._is_first:
            return None
        try:
            return str(write_inputs(self._settings.home, f"{case.item.nodeid} {what}", x_adv, images))
        except OSError as error:
            fail(f"the adversarial inputs could not be written: {error}")


def _count_moved(case: Case, result: Result) -> tuple[Moved, ...]:
    """Return what the adversarial inputs of a table, or of several inputs, changed.

    Nothing where there are none, as on all ranks but one.
    """
    broken, samples = np.flatnonzero(result.broken), case.samples
    contents = tables_of(result.threat).values()
    if not (contents or samples.layout) or len(result.x_adv) != len(broken):
        return ()
    if samples.layout:
        return count_parts(result.threat, samples.layout_text, result.x_adv, samples.x[broken])
    return count_moved(next(iter(contents)), result.x_adv, case.samples.x[broken])
