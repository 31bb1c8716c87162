"""The published leaderboard: its generated files are those of its records, and every record has its evidence."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from examples.digits import make as digits
from examples.fashion_mnist import make as fashion
from robust.models.weights import hash_weights
from robust.records.evidence import Evidence
from robust.records.store import galleries, records
from robust.report.board import boards
from robust.report.csv import groups_csv, long_csv, wide_csv
from robust.report.markdown import markdown
from robust.report.page.page import page

FOLDER = Path(__file__).parent.parent / "leaderboard"


@pytest.mark.parametrize(
    ("name", "render"),
    [
        ("README.md", markdown),
        ("leaderboard.csv", wide_csv),
        ("results.csv", long_csv),
        ("groups.csv", groups_csv),
        ("index.html", lambda made: page(made, galleries(FOLDER, records(FOLDER)))),
    ],
)
def test_the_generated_files_are_those_of_the_records(name, render):
    assert (FOLDER / name).read_text() == render(boards(records(FOLDER)))


def test_every_record_has_its_evidence():
    found = records(FOLDER)

    assert found
    for record in found:
        content = (FOLDER / "results" / f"{record.stem}.npz").read_bytes()
        evidence = Evidence.from_bytes(content)
        assert hashlib.sha256(content).hexdigest() == record.evidence
        adversarial = np.flatnonzero(record.correct & ~record.robust)
        assert len(evidence.x_adv) == record.provenance.get("inputs", len(adversarial))
        assert {*evidence.row} <= {*adversarial}


def test_every_checkpoint_is_that_of_a_record_and_its_card_tells_how_it_was_trained():
    weights = {record.model.weights: record for record in records(FOLDER)}
    files = [*(FOLDER / "weights").glob("*.safetensors")]

    assert files
    for path in files:
        module = digits() if path.stem.startswith("digits") else fashion()
        module.load_state_dict(load_file(path))
        card = json.loads(path.with_suffix(".json").read_text())
        assert card["key"] == weights[hash_weights(module)].provenance["training"]["key"]
