"""What a run does to its models: threat models, attacks and suites."""

import re
from dataclasses import dataclass
from typing import Any

import pytest

from robust.attacks.registry import ATTACKS, Registry, suggest
from robust.attacks.spec import Spec
from robust.attacks.suite import WAYS, Suite, read_suite
from robust.attacks.words import canonical_threat, parse_threat
from robust.options import value
from robust.settings.parsing import asked, base, blaming, each, once

DEFAULT = "fgsm,pgd"  # where there is neither an attack nor a suite
BLIND = "square,noise"  # likewise, where a model of the run only answers: all get the same, to be compared
UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class AttackPlan:
    """What every model goes through."""

    threats: tuple[str, ...]  # canonical: "linf:8/255"
    attacks: tuple[str, ...]  # canonical: "pgd:steps=40"
    suites: tuple[Suite, ...]
    search: tuple[str, ...]  # how suites ask a cheaper copy of the model

    @property
    def words(self) -> tuple[str, ...]:
        """The names of all attacks and suites, as figures go by them."""
        return (*self.attacks, *(suite.name for suite in self.suites))


def read_attack_plan(config: pytest.Config, default_threat: str | None, blind: bool) -> AttackPlan:
    """The plan, after the conftest files had their say; pytest.UsageError for what is wrong with it.

    `blind` is whether some model only answers, so that no attack finds a gradient.
    """
    off = without_suites(config)
    suites = () if off else each(config, "suite", lambda text: read_suite(text, base(config, "suite")), None)
    threats = [*each(config, "threat", str, default_threat or "")]
    attacks = [*each(config, "attack", str, None if suites else BLIND if blind else DEFAULT)]
    _change(config, attacks, threats, bool(suites))
    if not any(threats):
        raise pytest.UsageError(
            f"--robust-data={value(config, 'data') or 'digits'}: say what an attacker may do, as "
            "--robust-threat=linf:8/255"
        )
    found = AttackPlan(
        once("threat", threats, canonical_threat),
        once("attack", attacks, lambda text: _named(ATTACKS, text)),
        suites,
        each(config, "search", _way, None),
    )
    if found.search and not suites and not off:
        raise pytest.UsageError("--robust-search: it is for suites, and there is none; name one with --robust-suite")
    for suite in suites:
        for threat in found.threats:
            with blaming(f"suite={suite.name}"):
                _check_norms(suite, threat)
    return found


def without_suites(config: pytest.Config) -> bool:
    """Whether the user wants none, as of those that the ini file names, with what it says of them."""
    return bool(value(config, "suite") == ["none"])


def _check_norms(suite: Suite, threat: str) -> None:
    """ValueError where no stage is for one of the norms: then nothing would be attacked, and the model look robust."""
    for norm in (parse_threat(part)[0] for part in threat.split("+")):
        if not any(norm in stage.norms for stage in suite.stages):
            raise ValueError(f"no stage of {suite.name} is for {norm}, and the threat model is {threat}")


def _way(text: str) -> str:
    if text not in WAYS:
        raise LookupError(f"unknown way {suggest(text, WAYS)}")
    return text


def read_time(text: str | None) -> float | None:
    """Read "30s", "5m" or "1h" as seconds; ValueError for anything else."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)([smh])", text)
    if match is None or not float(match[1]):
        raise ValueError("expected a time above 0, as 30s, 5m or 1h")
    return float(match[1]) * UNITS[match[2]]


def _change(config: pytest.Config, attacks: list[str], threats: list[str], suites: bool) -> None:
    """Let pytest_robust_attacks change the lists in place."""
    hook = "pytest_robust_attacks"
    try:
        returned = asked(config, hook, attacks=attacks, threats=threats)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    if returned:
        raise pytest.UsageError(f"{hook} returned a {type(returned[0]).__name__}; change the lists in place")
    for word in (*attacks, *threats):
        if not isinstance(word, str):
            raise pytest.UsageError(f"{hook}: {word!r} is no word, such as 'pgd:steps=40' or 'linf:8/255'")
    if not (threats and (attacks or suites)):
        option, what = ("attack", "attack") if threats else ("threat", "threat model")
        raise pytest.UsageError(f"--robust-{option}: there is no {what} left to run ({hook})")


def _named(registry: Registry[Any], text: str) -> str:
    spec = Spec.parse(text)
    if spec.name not in registry:
        registry.refuse(spec.name)
    return str(spec)
