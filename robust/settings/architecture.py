"""The architecture of files of weights: refused where no model of the run takes it, for it would change nothing."""

from collections.abc import Iterable
from pathlib import Path

from robust.attacks.source_options import SURROGATE
from robust.attacks.spec import Spec
from robust.attacks.suite import Suite
from robust.models.spec import ModelSpec
from robust.settings.parsing import OptionError, blame
from robust.settings.sources import Options


def read_arch(options: Options, models: Iterable[ModelSpec], surrogates: Iterable[ModelSpec] = ()) -> str | None:
    """Return the architecture as the user wrote it; None if none is given.

    OptionError if none of the models and surrogates is weights that need one: a factory makes its own network. One in
    the ini file waits for weights if other models are typed, as all of a project's defaults do; the run's header says
    so.
    """
    option, models = options["arch"], [*models]
    waits = options["model"].typed and not option.typed
    if option.text is not None and not waits and not is_taken(models, surrogates):
        given = ", ".join(spec.text for spec in models)
        problem = f"it is for a file of weights, and no model is one ({given}); leave it out"
        raise OptionError(option.name, option.text, problem)
    return option.text


def is_taken(models: Iterable[ModelSpec], surrogates: Iterable[ModelSpec]) -> bool:
    """Whether any model or surrogate is weights that may need an architecture."""
    return any(spec.takes_arch for spec in (*models, *surrogates))


def list_surrogates(attacks: Iterable[str], suites: Iterable[Suite], folder: Path) -> list[ModelSpec]:
    """List the surrogates of attacks and of stages of suites; their files of weights may be missing here.

    OptionError for one that is no spec of a model, or whose code is not there.
    """
    named = [("attack", text, text) for text in attacks]
    named += [("suite", suite.name, stage.attack) for suite in suites for stage in suite.stages]
    found = []
    for option, blamed, attack in named:
        with blame(option, blamed):
            if surrogate := dict(Spec.parse(attack).options).get(SURROGATE):
                found.append(ModelSpec.parse(str(surrogate), folder, absent=True))
    return found
