"""A published row with all that is needed to check it, and the result of a check."""

from dataclasses import dataclass

from torch import nn

from robust.data.dataset import Dataset, Samples
from robust.evaluation.measure import BATCH
from robust.records.evidence import Evidence
from robust.records.record import Record
from robust.verification.candidates import Candidates


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    what: str
    sound: bool
    message: str


@dataclass(frozen=True, slots=True)
class Row:
    """A record, its evidence, and the data and the model that both are said to come from."""

    record: Record
    evidence: Evidence
    samples: Samples  # those whose numbers the evidence holds
    dataset: Dataset
    module: nn.Module

    @property
    def batch(self) -> int:
        """Return the batch size of the attacks, if the record has it."""
        return int(self.record.provenance.get("batch", BATCH))

    @property
    def candidates(self) -> Candidates:
        """Return the inputs of the evidence, to be verified."""
        samples, bounds = self.samples.take(self.evidence.row), (self.dataset.lo, self.dataset.hi)
        held = self.record.tables, samples.layout_text
        rules = (self.record.threat, bounds, self.batch, samples.criterion, *held)
        theta = self.evidence.take_theta([attack.columns for attack in self.record.attacks])
        resized = samples.find_resized(self.record.threat)
        return Candidates(self.evidence.x_adv, samples.x, samples.y, *rules, theta, resized)
