"""The lines on models that answer at random in tables: how answers are formed, and of how many no test decides."""

from robust.attacks.draws import Draws
from robust.records.record import Record

DRAWS = (
    "Draws: the model answers at random, and its answer is formed so; a sample counts as robust only if a test at 1 % "
    "shows that this answer is right more often than wrong, without an attack and under every attack."
)
TITLE = "draws"  # of the column


def describe_undecided(record: Record) -> str:
    """Return how many samples no test decides, which count as wrong; "" if the answers are not random."""
    if not record.draws:
        return ""
    clean, attacked = record.undecided
    told = f"{clean} without an attack and {attacked} under attack of {record.data.n} samples"
    return f"undecided, and so counted as wrong: {told}"


def describe_random(record: Record) -> str:
    """Return what a table says of a row whose answers are random; "" of others."""
    who = f"{record.model.name} ({record.recipe})"
    return (
        f"{who}, an answer is {Draws.parse(record.draws).describe()}; {describe_undecided(record)}"
        if record.draws
        else ""
    )
