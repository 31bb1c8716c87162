"""nondeterministic: the same inputs get different answers, so something in the model is random."""

from robust.attacks.state import State, name_few
from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT, any_criterion, costs
from robust.trust.model_probe import MAX_NOISE, ModelProbe


@PREFLIGHT.register("nondeterministic")
@any_criterion
@costs(lambda probe: probe.count_passes("noise"))
def nondeterministic(probe: ModelProbe) -> Finding | None:
    """Check that one batch, shown several times, gets the same logits, as AutoAttack does (2003.01690).

    Each time has another seed, since a random model would draw the same numbers again from the same one.
    """
    if probe.deterministic:
        return None
    seen = f"logits of the same inputs differ by up to {probe.noise:.2g} times their range"
    state = State(probe.module, parameters=True)
    probe.ask(probe.first)
    written = [*state.restore(), *state.list_counted()]
    where = f"; its forward writes {name_few(written)}" if written else ""
    hint = "remove the randomness or the state, or attack the mean over draws, as pgd:eot=20 does"
    return Finding("nondeterministic", "broken", probe.noise, f"{seen}; expected at most {MAX_NOISE:g}{where}", hint)
