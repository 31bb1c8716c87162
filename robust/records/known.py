"""The content of a record as this version writes it: a dictionary that JSON can hold."""

import json
from typing import Any

from robust.records.attack_outcome import attack_to_json
from robust.records.certificate import certificate_to_json
from robust.records.columns import write_columns
from robust.records.curve import curve_to_json
from robust.records.schema import SCHEMA
from robust.records.trust import trust_to_json


def list_known(record: Any) -> dict[str, Any]:
    """Return what this version writes of a record, of the class Record, which imports this."""
    rounded, certificate, curve, groups = record.robust_rounded, record.certificate, record.curve, record.groups
    return {
        "schema": SCHEMA,
        "identity": record.own_identity,
        "data": {**vars(record.data)},
        "threat": record.threat,
        "criterion": record.criterion,
        **({"draws": record.draws} if record.draws else {}),
        "suite": record.suite,
        "seed": record.seed,
        **({} if record.draw is None else {"draw": record.draw}),
        "model": {**vars(record.model)},
        "clean": {"correct": record.counts[0]},
        "robust": {"correct": record.counts[1]},
        **({} if rounded is None else {"rounded": {"levels": record.levels, "correct": int(rounded.sum())}}),
        "columns": write_columns({"correct": record.correct, **record.columns}),
        "attacks": [attack_to_json(attack) for attack in record.attacks],
        **({} if certificate is None else {"certificate": certificate_to_json(certificate, record.robust)}),
        **({} if curve is None else {"curve": curve_to_json(curve)}),
        **({"tables": {word: json.loads(table) for word, table in record.tables.items()}} if record.tables else {}),
        **({} if groups is None else {"groups": groups.to_json(record.correct, record.robust)}),
        "evidence": record.evidence,
        "provenance": record.provenance,
        **({} if record.trust is None else {"trust": trust_to_json(record.trust)}),
    }
