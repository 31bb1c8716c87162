"""What the user says of judging: floors, the worst verdict that passes, and what of a model is accepted."""

import pytest

from robust.gates import FAIL_ON, Gates, read_floor
from robust.options import value
from robust.records.trust import Verdict
from robust.session.planned import Planned
from robust.session.reading import each, once
from robust.trust.catalogue import PREFLIGHT


def read_gates(config: pytest.Config, planned: Planned) -> Gates:
    """The floors; pytest.UsageError for what is wrong with them."""
    given = [word for text in value(config, "fail-under") for word in text.split(",")]
    floors = once("fail-under", given, lambda word: read_floor(word, planned.words, planned.threats))
    text = value(config, "fail-on") or "figure"
    fail_on = next((known for known in FAIL_ON if known == text), None)
    if fail_on is None:
        raise pytest.UsageError(f"--robust-fail-on={text}: expected figure or ci")
    return Gates(floors, fail_on)


def read_verdict(config: pytest.Config) -> Verdict | None:
    """The worst that passes; None where nothing is to be checked."""
    text = value(config, "verdict") or "suspect"
    known: dict[str, Verdict | None] = {"trusted": "trusted", "suspect": "suspect", "none": None}
    if text not in known:
        raise pytest.UsageError(f"--robust-verdict={text}: expected trusted, suspect or none")
    return known[text]


def read_accepted(config: pytest.Config) -> tuple[str, ...]:
    """The names of the preflight checks whose findings are meant to be so."""
    return each(config, "accept", _accepted, None)


def _accepted(text: str) -> str:
    if text not in PREFLIGHT:
        PREFLIGHT.refuse(text)
    return text
