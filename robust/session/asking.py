"""The answers that attacks ask for: told before they begin, since those of an endpoint may cost."""

from collections.abc import Iterator

from robust.attacks.engine import rounds_of
from robust.attacks.factory import make
from robust.attacks.spec import Spec
from robust.attacks.words import COUNTED
from robust.models.blackbox import answers_labels
from robust.models.endpoint import Endpoint
from robust.models.spec import ModelSpec
from robust.session.data import RunData
from robust.session.models import Models
from robust.session.queries import replace_default
from robust.settings.queries import count_queries
from robust.settings.settings import Settings, Variant
from robust.train.recipe import AS_IS


def foretell_asking(settings: Settings, models: Models, data: RunData) -> list[str]:
    """Return a line for each model that only answers, on how often the run's attacks ask it at most."""
    return [line for spec in settings.models if spec.answers for line in _foretell(spec, settings, models, data)]


def _foretell(spec: ModelSpec, settings: Settings, models: Models, data: RunData) -> Iterator[str]:
    alone = answers_labels(models.load(Variant(spec, AS_IS)).module) and not settings.named
    n, most = len(data.samples), 0
    for threat in settings.threats:
        for attack in settings.attacks:
            run = replace_default(attack, threat, settings.queries) if alone else attack
            if Spec.parse(run).name not in COUNTED:
                return
            most += count_queries([part.steps for part, _ in rounds_of(make(run))], threat)
    if not most:
        return
    line = f"the attacks ask {spec.name} for at most {most:,} answers a sample, {n * most:,} for {n:,} samples"
    budget = Endpoint.parse(spec.text).budget if spec.library == "http" else n * most
    short = f"; its budget is {budget:,} a process, and a run that has spent it goes on with a larger #budget="
    yield f"{line}, and fewer where some are broken; the checks ask for more{short * (budget < n * most)}"
