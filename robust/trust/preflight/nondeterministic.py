"""nondeterministic: the same inputs get different answers, and nobody says how an answer is formed of them."""

from robust.attacks.state import State, name_few
from robust.models.answering import draws_of
from robust.records.trust import Finding
from robust.trust.checks import PREFLIGHT, any_criterion, costs
from robust.trust.model_probe import MAX_NOISE, ModelProbe


@PREFLIGHT.register("nondeterministic")
@any_criterion
@costs(lambda probe: probe.count_passes("noise"))
def nondeterministic(probe: ModelProbe) -> Finding | None:
    """Check that one batch, shown several times, gets the same logits, as AutoAttack does (2003.01690).

    Each time has another seed, since a random model would draw the same numbers again from the same one. If it is said
    how an answer is formed of random ones, they must be the same at least for the same seed: what is not drawn may
    hang on what was asked before, and then no test of fresh answers means anything.
    """
    if probe.deterministic:
        return None
    draws = draws_of(probe.module)
    change = probe.measure_repeat() if draws else probe.noise
    if change <= MAX_NOISE:
        return None
    of = "inputs, for the same seed of torch," if draws else "inputs"
    seen = f"logits of the same {of} differ by up to {change:.2g} times their range"
    state = State(probe.module, parameters=True)
    probe.ask(probe.first)
    written = [*state.restore(), *state.list_counted()]
    where = f"; its forward writes {name_few(written)}" if written else ""
    hint = "draw from torch's generators, and keep no state" if draws else HINT
    grade = "suspect" if draws else "broken"
    return Finding("nondeterministic", grade, change, f"{seen}; expected at most {MAX_NOISE:g}{where}", hint)


HINT = "remove the randomness or the state, or say how an answer is formed of random ones, as --robust-draws=mean:10"
