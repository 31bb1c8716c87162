"""wrong-gradient: the gradient is not that of what the model computes."""

from robust.attacks.task import Task
from robust.models.traits import only_answers
from robust.records.trust import Finding, NotApplicableError
from robust.trust.attack_probe import AttackProbe
from robust.trust.checks import INDICATORS, any_criterion, costs
from robust.trust.indicators._shared import require_deterministic, require_own_gradient, require_robust
from robust.trust.significance import is_significant
from robust.trust.slopes import DIRECTIONS, FIRST_DIRECTIONS, Slopes, measure_slopes

MAX_SAMPLES = 24
PASSES, MORE = 2 * FIRST_DIRECTIONS + 6, 4 * DIRECTIONS + 6  # of a sample; and where it is not clear from these
MAX_ERROR = 0.1  # of the slopes; on sound networks at most 2e-3, of defences with a wrong gradient 0.2 and more
CLEAR = 1e-3  # along the first directions a gradient with such an error is right; most have 1e-10
MAX_SHARE = 0.05  # of the samples, which have a kink between the two ends of a step
MAX_COARSE = 0.6  # of the slopes over a quarter of the ball; up to 0.4 for nine in ten samples of sound networks


@INDICATORS.register("wrong-gradient")
@any_criterion
@costs(lambda probe: PASSES * len(probe.take_few(MAX_SAMPLES).samples))
def wrong_gradient(probe: AttackProbe) -> Finding | None:
    """Check that the gradient of the margin predicts its slopes along random directions, in float64.

    Numerical gradients have been the test of derived ones since there were any; an attack that follows a wrong one
    fails for no reason of the model's (1802.00420). A model that rounds, with gradients that pass straight through, is
    constant along short steps: it is held to the slopes over a quarter of the ball. NotApplicableError for what passes
    no gradient at all, see no-gradient, or that of a float twin.
    """
    if only_answers(probe.module):
        raise NotApplicableError("the model passes no gradient")
    require_own_gradient(probe)
    require_robust(probe)
    require_deterministic(probe)
    few = probe.take_few(MAX_SAMPLES)
    slopes = Slopes.join(few.run_on_batches(lambda task: _measure(task, few), few.correct | ~few.correct))
    wrong = slopes.wrong(MAX_ERROR, MAX_COARSE)
    count, n = int(wrong.sum()), len(wrong)
    if not is_significant(count, n, MAX_SHARE):
        return None
    error = float(slopes.error[wrong].median())
    seen = f"the gradient of the margin mispredicts its slopes by {100 * error:.0f} % at {count} of {n} inputs"
    hint = "look for detach, no_grad, a custom backward pass, or a solver whose backward pass is cut short"
    return Finding("wrong-gradient", "suspect", count / n, f"{seen}; expected less than {100 * MAX_ERROR:g} %", hint)


def _measure(task: Task, probe: AttackProbe) -> Slopes:
    """Measure slopes along few directions, and along all where these leave a doubt."""
    probe.budget.add(PASSES * len(task.x))  # of copies of the model
    slopes = measure_slopes(task, probe.module, hasty=True)
    doubtful = slopes.fine > CLEAR
    if not doubtful.any():
        return slopes
    probe.budget.add(MORE * int(doubtful.sum()))
    return slopes.replace(doubtful, measure_slopes(task.only(doubtful.to(task.x.device)), probe.module))
