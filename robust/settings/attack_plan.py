"""Plan the attacks of a run: threat models, attacks and suites."""

import re
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from robust.attacks.grammar.corruption import CORRUPTION
from robust.attacks.grammar.features import FEATURES
from robust.attacks.grammar.patch import PATCH
from robust.attacks.grammar.pixels import PIXELS
from robust.attacks.grammar.spatial import SPATIAL
from robust.attacks.grammar.universal import UNIVERSAL
from robust.attacks.registry import ATTACKS, suggest
from robust.attacks.source_options import check_options
from robust.attacks.spec import Spec
from robust.attacks.suite import WAYS, Suite, read_suite, suite_names
from robust.attacks.words import canonical_threat, families_of, family_of
from robust.data.dataset import Dataset
from robust.models.spec import ModelSpec
from robust.settings.architecture import list_surrogates
from robust.settings.parsing import Hooks, OptionError, SettingsError, blame, read_items, read_list
from robust.settings.queries import fit_queries, read_queries
from robust.settings.sources import Options, OptionValue
from robust.settings.values import DATA
from robust.train.recipe import RECIPES

DEFAULT = "fgsm,pgd"  # if there is neither an attack nor a suite
BLIND = "square,noise"  # likewise, if some model gives no gradient: all get the same attacks, to be compared
MAPS = "pgd,pgd:loss=mask-ce"  # of maps: one loss alone finds too little
MAPS_SHARED = "pgd:loss=margin:start=0,pgd:loss=mask-ce"  # the same where pixels share the ball, as in l2
# The same under threat models of one family alone: attacks with gradients, and without.
OF_FAMILY = {
    FEATURES: ("pgd,capgd", "evolve,noise"),
    PATCH: ("lavan,patch-rs", "patch-rs,noise"),
    UNIVERSAL: ("universal-patch", "universal-patch"),
    PIXELS: ("pgd,sparse-rs", "sparse-rs,noise"),
    SPATIAL: ("grid,pgd", "grid,noise"),
    CORRUPTION: ("corruptions", "corruptions"),
}
HOOK = "pytest_robust_attacks"


@dataclass(frozen=True, slots=True)
class AttackPlan:
    """The attacks and suites that every model of the run is measured under."""

    threats: tuple[str, ...]  # canonical: "linf:8/255"
    attacks: tuple[str, ...]  # canonical: "pgd:steps=40"
    suites: tuple[Suite, ...]
    surrogates: tuple[ModelSpec, ...]  # of the attacks, and of the suites' stages
    search: tuple[str, ...]  # how suites ask a cheaper copy of the model
    queries: int | None  # that each attack may make of a sample; None: as many as its steps say
    named: bool  # whether somebody named the attacks, so that they are not chosen by what the model answers with

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all attacks and suites, as they appear beside their accuracies."""
        return (*self.attacks, *(suite.name for suite in self.suites))


def read_attack_plan(options: Options, dataset: Dataset, blind: bool, hooks: Hooks) -> AttackPlan:
    """Return the plan, after the hook pytest_robust_attacks changed it; SettingsError for what is wrong with it.

    The data set says the threat model if the user does not, and which stages of suites are for its criterion; `blind`
    is whether some model gives no gradient.
    """
    suites = read_suites(options["suite"], dataset.criterion)
    _refuse_decimal_commas(options["threat"])
    threats = [*read_list(options["threat"], str, dataset.threat or "")]
    attacks = [
        *read_list(options["attack"], str, "" if suites else _choose_attacks(threats, blind, dataset.labels == "map"))
    ]
    needs_threat, planned = not threats, [*attacks]
    _change(hooks, attacks, threats)
    named = bool(options["attack"].texts) or attacks != planned
    queries = _read_queries(options, suites)
    if needs_threat and not threats:
        refuse_missing_threat(options["data"].text or DATA)
    if not (threats and (attacks or suites)):
        option, what = ("attack", "attack") if threats else ("threat", "threat model")
        raise OptionError(option, None, f"there is no {what} left to run ({HOOK})")
    allowed = read_items("threat", threats, partial(canonical_threat, folder=options["threat"].folder))
    fitted = [fit_queries(text, queries, allowed, named=named) for text in read_items("attack", attacks, _read_attack)]
    plan = AttackPlan(
        allowed,
        tuple(fitted),
        suites,
        tuple(list_surrogates(fitted, suites, options["attack"].folder)),
        read_list(options["search"], _read_way),
        queries,
        named,
    )
    _check_search(options["search"], options["suite"])
    if UNIVERSAL in families_of(plan.threats) and len(plan.attacks) > 1:
        raise OptionError("attack", plan.attacks[1], f"one patch serves all, and {plan.attacks[0]} is one already")
    for suite in suites:
        for threat in plan.threats:
            with blame("suite", suite.name):
                _check_families(suite, threat)
    return plan


def _choose_attacks(threats: list[str], blind: bool, maps: bool) -> str:
    """Return the attacks of a run that names none."""
    if maps and not blind and families_of(threats) != {CORRUPTION}:
        return MAPS_SHARED if families_of(threats) & {"l2", "l1"} else MAPS
    for family, (usual, queries) in OF_FAMILY.items():
        if threats and families_of(threats) == {family}:
            return queries if blind else usual
    return BLIND if blind else DEFAULT


def _refuse_decimal_commas(option: OptionValue) -> None:
    """Refuse "linf:0,1", which would be read as the two threat models "linf:0" and "1"."""
    for text in option.texts:
        if match := re.search(r"(\d+),(\d+)(?=$|[,+;])", text):
            point = f"{match[1]}.{match[2]}"
            raise OptionError(option.name, text, f"write {point} with a point, for a comma separates threat models")


def refuse_missing_threat(data: str) -> NoReturn:
    """Raise the OptionError for a data set without a threat model of its own, if the user gives none either."""
    raise OptionError("data", data, "say what an attacker may do, as --robust-threat=linf:8/255")


def read_suites(option: OptionValue, criterion: str) -> tuple[Suite, ...]:
    """Return the suites for a criterion; none if the user switches off those of the ini file."""
    return () if _has_no_suites(option) else read_list(option, lambda text: read_suite(text, option.folder, criterion))


def _has_no_suites(option: OptionValue) -> bool:
    """Whether the user wants none of the suites that the ini file names."""
    return option.texts == ("none",)


def _read_queries(options: Options, suites: tuple[Suite, ...]) -> int | None:
    """Return the queries of a sample that each attack may make; OptionError beside suites, whose files say them."""
    queries = read_queries(options["queries"])
    if queries is not None and suites:
        problem = f"it is for attacks, and {suites[0].name} says the steps of its own; name attacks, or leave one out"
        raise OptionError("queries", str(queries), problem)
    return queries


def _check_search(search: OptionValue, suites: OptionValue) -> None:
    """Refuse a way to search if no suite is named."""
    if search.texts and not suites.texts:
        raise OptionError(search.name, None, "it is for suites, and there is none; name one with --robust-suite")


def _check_families(suite: Suite, threat: str) -> None:
    """Refuse a family without a stage: nothing would be attacked, and the model would look robust."""
    for family in map(family_of, threat.split("+")):
        if not any(family in stage.threats for stage in suite.stages):
            asked = "".join(f" with {name}" for name in sorted({n for stage in suite.stages for n in stage.criteria}))
            lead = f"no stage of {suite.name} is for {family}{asked}, and the threat model is {threat}"
            raise ValueError(f"{lead}{'; name attacks that are, as --robust-attack=pgd' * bool(asked)}")
        stages = sum(UNIVERSAL in stage.threats for stage in suite.stages)
        if family == UNIVERSAL and stages > 1:
            raise ValueError(f"{suite.name} has {stages} stages for {UNIVERSAL}, and one patch serves all; leave one")


def _read_way(text: str) -> str:
    if text not in WAYS:
        raise LookupError(f"unknown way {suggest(text, WAYS)}")
    return text


def _read_attack(text: str) -> str:
    """Return the attack in its canonical spelling.

    LookupError for an unknown name; ValueError for an option that is known to be wrong without torch.
    """
    spec = Spec.parse(text)
    if spec.name in suite_names():
        raise LookupError(f"{spec.name} is a suite; write --robust-suite={spec.name}")
    if spec.name not in ATTACKS and spec.name in RECIPES:
        raise LookupError(f"{spec.name} is a training recipe; write --robust-train={text}")
    if spec.name not in ATTACKS:
        ATTACKS.refuse(spec.name)
    try:
        check_options(spec)
    except ValueError as error:
        raise ValueError(str(error).removeprefix(f"{spec}: ")) from None
    return str(spec)


def _change(hooks: Hooks, attacks: list[str], threats: list[str]) -> None:
    """Let pytest_robust_attacks change the lists in place; SettingsError if it fails or leaves other things in them."""
    try:
        returned = hooks(HOOK, attacks=attacks, threats=threats)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    if returned:
        raise SettingsError(f"{HOOK} returned a {type(returned[0]).__name__}; change the lists in place")
    for text in (*attacks, *threats):
        if not isinstance(text, str):
            raise SettingsError(f"{HOOK}: {text!r} is no text, such as 'pgd:steps=40' or 'linf:8/255'")
