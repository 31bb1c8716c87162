"""transfer-wins: what fools a plain model, fitted to the answers of this one, breaks what the attacks left standing."""

from robust.attacks.combine.transfer import Transfer
from robust.attacks.zoo.pgd import PGD
from robust.records.trust import Doubt
from robust.trust.catalogue import SIGNS
from robust.trust.signs._shared import blind_wins
from robust.trust.student import student_of
from robust.trust.trial import Trial

STEPS = 10


@SIGNS.register("transfer-wins")
def transfer_wins(trial: Trial) -> Doubt | None:
    """An attack on a substitute for the model (1602.02697) must not find what an attack on itself does not."""
    student = student_of(trial.x, trial.answers().argmax(1).to(trial.x.device), trial.classes)
    attack = Transfer(PGD(STEPS, start=0.0, loss="margin"), student)
    return blind_wins(trial, "transfer-wins", attack, "an attack on a model fitted to its answers")
