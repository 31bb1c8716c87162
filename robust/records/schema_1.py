"""Schema 1 of a record's JSON, as versions before 0.2 wrote it: bits beside their counts, and no identity."""

from typing import Any

from robust.records.schema import SCHEMA, Json

CRITERION = {"name": "class"}  # the only one that schema 1 had


def upgrade(content: Json) -> Json:
    """Return content of schema 1 as content of schema 2; KeyError, TypeError or AttributeError if it is damaged."""
    data, model = content["data"], content["model"]
    clean, bits = _take_bits(content["clean"])
    return {
        **content,
        "schema": SCHEMA,
        "identity": {
            **{"data": data["name"], "split": data["split"], "digest": data["digest"], "threat": content["threat"]},
            **{"criterion": CRITERION, "suite": content["suite"], "model": model["name"]},
            **{"training": model["training"], "weights": model["weights"], "seed": content["seed"]},
        },
        "criterion": CRITERION,
        "clean": clean,
        "columns": {"correct": bits},
        "attacks": [_upgrade_attack(attack) for attack in content["attacks"]],
    }


def _upgrade_attack(attack: Json) -> Json:
    others, bits = _take_bits(attack)
    columns = {"broken": bits}
    if "rounded" in others:
        others["rounded"], columns["rounded"] = _take_bits(others["rounded"])
    return {**others, "columns": columns}


def _take_bits(part: Json) -> tuple[Json, dict[str, Any]]:
    """Return the part without its bits, and these as a column."""
    return {key: value for key, value in part.items() if key != "bits"}, {"bits": part["bits"]}
