"""The lines on what was verified."""

import pytest

from robust.session.summary import describe_verified
from tests.making import record

ROBUST = "robust samples cannot be verified"


def verified(**content):
    made = record()
    made.provenance["verified"] = content
    return made


@pytest.mark.parametrize(
    ("records", "lines"),
    [
        ([], []),
        ([record()], [f"verified: adversarial inputs, in other batches; {ROBUST}"]),
        (
            [verified(fresh=2, edge=0), verified(fresh=3, edge=0)],
            [f"verified: adversarial inputs, in other batches, 5 also in a fresh process; {ROBUST}"],
        ),
        (
            [verified(fresh=0, reason="the model draws at random")],
            [
                f"verified: adversarial inputs, in other batches; {ROBUST}",
                "not in a fresh process: net (as-is), linf:0.15: the model draws at random",
            ],
        ),
    ],
)
def test_what_was_verified_is_told_and_why_something_was_not(records, lines):
    assert describe_verified(records) == lines
