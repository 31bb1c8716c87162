"""Failures and warnings as SARIF 2.1.0, a standard of OASIS, for GitHub's code scanning and for other readers."""

import hashlib
import json
import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

import robust
from robust.action.annotate import clean
from robust.action.outcome import Failure, Outcome

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MAX_RESULTS = 1000  # results; GitHub shows 5,000 of a run
RULES = {
    "test_clean": ("clean-accuracy", "The clean accuracy is below its floor."),
    "test_attack": ("robust-accuracy", "The accuracy under an attack is below its floor."),
    "test_suite": ("robust-accuracy", "The accuracy under an attack is below its floor."),
    "test_certified": ("certified-accuracy", "The certified accuracy is below its floor, or contradicted."),
    "test_regression": ("regression", "The model is worse than the baseline."),
    "test_preflight": ("preflight", "The model is none whose robustness can be measured."),
    "test_trust": ("trust", "The figures may not be believed."),
}
OTHER = ("failure", "A test or a gate failed.")
FIGURE = re.compile(
    r"(?<=[\s(])[-+]?\d[\d.]*(e[-+]?\d+)?(/\d+)?(?=[\s,;:%)]|$)"
)  # a word of its own, as none in a name is
DOUBT = ("doubt", "To be read beside the figures.")


def to_sarif(outcome: Outcome, fallback: str = "") -> str:
    """Return the SARIF text of an outcome: its failures as errors, its warnings as warnings.

    GitHub refuses a file with a result that has no place: `fallback` is the file of those that have none.
    """
    results = [_result("error", RULES.get(failure.kind, OTHER)[0], failure, fallback) for failure in outcome.failures]
    results += [_result("warning", DOUBT[0], Failure(text), fallback) for text in outcome.warnings]
    rules = dict([*RULES.values(), OTHER, DOUBT])
    driver = {
        "name": "pytest-robust",
        "semanticVersion": robust.__version__.replace(".dev", "-dev."),
        "rules": [{"id": name, "shortDescription": {"text": text}} for name, text in rules.items()],
    }
    content = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results[:MAX_RESULTS]}],
    }
    return json.dumps(content, indent=1) + "\n"


def _result(level: str, rule: str, failure: Failure, fallback: str) -> dict[str, Any]:
    """Return one result. Its fingerprint leaves out figures: an alert stays the same while they change."""
    mark = hashlib.sha256(f"{rule} {failure.test or FIGURE.sub('', failure.text)}".encode()).hexdigest()[:16]
    path = failure.path or fallback
    result: dict[str, Any] = {
        "ruleId": rule,
        "level": level,
        "message": {"text": "\n".join(filter(None, (clean(failure.test), clean(failure.text))))},
        "partialFingerprints": {"robust/v1": mark},
    }
    if path:
        uri = quote(PurePosixPath(path).as_posix())
        place = {"artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"}, "region": {"startLine": failure.line or 1}}
        result["locations"] = [{"physicalLocation": place}]
    return result
