"""Whether the rows of a run keep their floors, once all is measured; and floors that nothing was measured for."""

from collections.abc import Iterator
from itertools import chain

from robust.gates import CLEAN, Floor, Gates, Measured, inconclusive, scopes, shortfall
from robust.records.record import Record
from robust.session.results import Key, Results

Held = tuple[str, Measured, Floor | None]  # what a figure is over, the figure, and what it is held to


class Floors:
    """The floors of a run, and what it found."""

    def __init__(self, results: Results, gates: Gates) -> None:
        self._results = results
        self._gates = gates

    def of(self, key: Key) -> Floor | None:
        """What the row's figure must keep."""
        own, record = self._results.first(key)["floor"], self._results.record(key)
        if own is not None:  # the user's test has set it
            return Floor(own)
        return self._gates.row([attack.name for attack in record.planned], record.threat)

    def below(self) -> list[str]:
        """A line for each figure that is below, and that no test of its own was failed for."""
        lines = []
        for key, record in self._results.complete():
            who = f"{record.model.name} ({record.model.training}), {record.threat}"
            for over, measured, floor in self._held(key, record):
                figure = f"robust accuracy {measured} over {over}"
                if wrong := shortfall(measured, floor, self._gates.fail_on):
                    lines.append(f"{who}: {figure} {wrong}")
                elif floor and inconclusive(measured, floor):
                    inside = f"the floor of {floor.percent:g} % is inside the interval; use more samples"
                    self._results.warnings[f"{who}: inconclusive: {figure}: {inside}"] = None
        return lines

    def _held(self, key: Key, record: Record) -> Iterator[Held]:
        """Of our tests all attacks together, unless what one of them told settles it; of a user's own each, too."""
        first, floor, n = self._results.first(key), self.of(key), record.data.n
        together = Measured.of(int(record.robust.sum()), n)
        each: list[Held] = [
            (
                a.name,
                Measured.of(int((record.correct & ~a.adversarial).sum()), n),
                self._gates.attack(a.name, record.threat),
            )
            for a in record.planned
        ]
        if first["origin"]:
            yield from (held for held in each if held[2] != floor and first["floor"] is None)
            yield record.suite, together, floor
            return
        alike = [measured for _, measured, other in each if other == floor]
        if together not in alike and not any(shortfall(one, floor, self._gates.fail_on) for one in alike):
            yield record.suite, together, floor

    def unmeasured(self) -> list[str]:
        """A line for each floor that nothing was measured for."""
        return [_unmeasured(floor) for floor in self._gates.floors if not self._measured(floor)]

    def _measured(self, floor: Floor) -> bool:
        """Whether anything was measured that is held to the floor."""
        if floor.scope == CLEAN:
            return any("threat" not in found for found in self._results.found)
        held = (f for f in self._results.found if "attack" in f and "trust" not in f and f["floor"] is None)
        return any(floor.scope in chain(*scopes(found["attack"]["name"], found["threat"])) for found in held)


def _unmeasured(floor: Floor) -> str:
    what = {None: "no attack was run", CLEAN: "the clean accuracy was not measured"}
    told = what.get(floor.scope, f"no attack was run for {floor.scope}")
    return f"--robust-fail-under={floor}: {told}, so nothing shows that it holds"
