"""The lines on a model of robust compress in tables: what was done to it, its size, and the road of its attacks."""

from typing import Any

from robust.records.record import Record

COLUMNS = ("compressed", "size_percent", "road")


def list_cells(record: Record) -> dict[str, Any]:
    """Return the cells of a row in CSV by their columns; none for another model."""
    told = _read(record)
    size = 100 * told["bytes"] / told["float_bytes"] if told else None
    return {"compressed": told["how"], "size_percent": size, "road": told["road"]} if told else {}


def describe(record: Record) -> str:
    """Return the same in a line; "" for another model."""
    told = _read(record)
    if not told:
        return ""
    size = f"{told['bytes']:,} bytes, {100 * told['bytes'] / told['float_bytes']:.0f} % of the float network's"
    return f"{told['how']} of {told['model']}: {size}; attacked by the road {told['road']}"


def _read(record: Record) -> dict[str, Any]:
    """Return what the record keeps; nothing if that is not of the types that it should be, as in a stranger's."""
    told = record.provenance.get("compressed")
    if not isinstance(told, dict) or not all(isinstance(told.get(key), str) for key in ("how", "model", "road")):
        return {}
    sizes = [told.get(key) for key in ("bytes", "float_bytes")]
    return told if all(type(size) is int and size > 0 for size in sizes) else {}
