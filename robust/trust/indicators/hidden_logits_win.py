"""hidden-logits-win: following logits inside the model finds adversarial examples that the row's attacks missed."""

from robust.attacks.combine.transfer import Transfer
from robust.attacks.engine import eval_mode
from robust.attacks.task import NoGradientError
from robust.attacks.threats.product import Product
from robust.attacks.zoo.pgd import PGD
from robust.records.trust import Finding, NotApplicableError
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, costs
from robust.trust.indicators._shared import compare_gradient_free, require_deterministic
from robust.trust.mitigated_attack import MAX_SAMPLES
from robust.trust.mitigations.inner_logits import FEW, find_inner
from robust.trust.pass_share import GRADIENT_PASSES

STEPS = 20


@INDICATORS.register("hidden-logits-win")
@costs(lambda probe: 3 * STEPS * probe.count_hardest())
def hidden_logits_win(probe: AttackProbe) -> Finding | None:
    """Check that the logits of a layer, or of an ensemble's members, lead no further than the answers (2002.08347).

    What stands between them and the answer may keep the label, and lead every loss astray. NotApplicableError if no
    layer has logits other than the answers, or no gradient leads from them to the inputs.
    """
    if not probe.count_hardest():
        return None
    require_deterministic(probe)
    with eval_mode(probe.module, probe.seed):
        x = probe.x[:MAX_SAMPLES]
        probe.budget.add(2 * len(x) + FEW * GRADIENT_PASSES)
        moves = probe.threat.moving if isinstance(probe.threat, Product) else None
        inner = find_inner(probe.module, x, moves)
    if inner is None:
        raise NotApplicableError("no layer has logits other than the answers")
    attack = Transfer(PGD(STEPS, stride=1.0, loss="margin", last=0.01), inner)
    layers = " and ".join(inner.layers[:2]) + f" and {len(inner.layers) - 2} more" * (len(inner.layers) > 2)
    try:
        return compare_gradient_free(probe, "hidden-logits-win", attack, f"PGD on the logits of {layers}")
    except NoGradientError as error:  # as in a function that gives a network's labels alone
        raise NotApplicableError(f"no gradient leads from the logits of {layers} to the inputs") from error
