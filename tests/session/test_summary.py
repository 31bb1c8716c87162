"""The lines on what was verified."""

import pytest

from robust.session.payload import TrainingCard
from robust.session.summary import describe_report, describe_verified
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


def test_a_report_on_a_training_is_named_where_it_is(tmp_path):
    (tmp_path / "kept").mkdir()
    trained = TrainingCard({"report": "../kept/net.html"}, str(tmp_path / "models" / "net.safetensors"))
    (tmp_path / "models").mkdir()

    assert describe_report(trained, tmp_path) == []
    (tmp_path / "kept" / "net.html").touch()
    assert describe_report(trained, tmp_path) == ["  report: kept/net.html"]
    assert describe_report(TrainingCard({}, trained.path), tmp_path) == []
    assert describe_report(TrainingCard({"report": 300 * "a"}, trained.path), tmp_path) == []
