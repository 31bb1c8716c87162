"""Certify samples: the cheapest method first, the dearer ones for what is left open."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.criteria.classification import CLASS
from robust.attacks.criteria.criterion import Criterion
from robust.attacks.engine import eval_mode
from robust.attacks.threats.lp import LpThreat
from robust.attacks.threats.threat import Threat
from robust.certification.alpha import bound_by_best_lines
from robust.certification.ball import Ball
from robust.certification.crown import bound_by_intervals, bound_by_lines, spread_margins
from robust.certification.errors import NoBoundsError
from robust.certification.graph import Graph
from robust.certification.interrupt import StoppedError, check_stopped, until
from robust.certification.journal import Journal, Known
from robust.certification.read import read_graph
from robust.certification.slack import measure_slack
from robust.certification.words import METHODS, refuse_threat
from robust.data.dataset import Samples
from robust.device import device_of
from robust.distributed.ranks import Ranks
from robust.flags import Flags
from robust.models.traits import is_queried
from robust.models.twinned import is_twinned
from robust.models.weights import hash_weights
from robust.records.certificate import Certificate
from robust.user_code import hash_sources

TIME = "time"  # the reason why one may end early
MAX_NOISE = 1e-5  # of the largest logit: more is not the rounding of kernels that add in another order
ROOM = 2**22  # values of samples times rows of one batch


@dataclass(frozen=True, slots=True)
class Certifier:
    """The bounds of one network for one threat model."""

    module: nn.Module
    graph: Graph
    parts: tuple[LpThreat, ...]  # a union is certified where each part is
    limits: Mapping[str, int] = field(default_factory=dict)  # samples of a batch at most, by method
    criterion: Criterion = CLASS  # what a right answer is
    radius: Tensor | None = None  # (b,): of the ball around each sample of a batch, in place of the parts' eps

    @classmethod
    def of(cls, module: nn.Module, x: Tensor, threat: Threat, criterion: Criterion = CLASS) -> "Certifier":
        """Make it for inputs like x, (1, *features).

        Raise NoBoundsError, in one line, for a network, a threat model or a criterion without bounds.
        """
        refuse_threat(str(threat))
        if criterion.labels == "map":
            raise NoBoundsError(f"no bounds are known of a share of pixels, {criterion}")
        graph = _read(module, x)
        if graph.classes < 2 and criterion.labels == "class":
            raise NoBoundsError(f"it answers one input with the shape {(1, graph.classes)}, expected (1, classes)")
        if criterion.labels == "class":  # of other labels there are such functions
            spread_margins(graph, torch.zeros(1, dtype=torch.int64), criterion)
        return cls(module, graph, cast(tuple[LpThreat, ...], threat.parts), criterion=criterion)

    def check(self, x: Tensor) -> None:
        """Raise NoBoundsError if the network answers x, (n, *features), at random, or otherwise than its graph."""
        x = x.to(device_of(self.module))
        with eval_mode(self.module), torch.no_grad():
            first, second = self.module(x.clone()), self.module(x.clone())
        if not (first.isfinite().all() and second.isfinite().all()):
            raise NoBoundsError("it answers with NaN or infinity")
        if not (first - second).abs().max() <= MAX_NOISE * first.abs().max():
            raise NoBoundsError("its answers are random, or keep a state: the same input is answered otherwise again")
        for part in self.parts:
            measure_slack(self.module, self.graph, x, part)

    def batch(self, method: str) -> int:
        """Return how many samples to bound at once."""
        most, values = {"ibp": (128, 1), "crown": (32, self.graph.bounded)}.get(method, (4, self.graph.bounded))
        return max(1, min(most, ROOM // (self.graph.largest * values), self.limits.get(method, most)))

    def bound(self, x: Tensor, y: Tensor, method: str) -> Tensor:
        """Return lower bounds of the margins over the balls, less the slack, (b,) float64: certified above 0.

        x is (b, *features), y (b,) int64. They are of the best of the method and of those before.
        """
        found = [self._bound_part(x, y, part, method) - self._slack(x, part) for part in self.parts]
        return torch.stack(found).amin(0)

    def slack(self, x: Tensor) -> Tensor:
        """Return the most that is taken off the margins at x, (b, *features), for rounding, (b,)."""
        return torch.stack([self._slack(x, part) for part in self.parts]).amax(0)

    def within(self, radius: NDArray[np.float64]) -> "Certifier":
        """Return the bounds within a radius of its own of each sample of a batch, (b,)."""
        return replace(self, radius=torch.from_numpy(radius))

    def _slack(self, x: Tensor, part: LpThreat) -> Tensor:
        """Return the slack within the largest ball of a batch."""
        widest = part if self.radius is None else replace(part, eps=Fraction(float(self.radius.amax())))
        return measure_slack(self.module, self.graph, x, widest)

    def hash(self, samples: Samples, source: Path) -> str:
        """Return a hash of everything that the bounds of samples depend on.

        `source` is the file of the user that makes the module; it need not exist.
        """
        answers = self.graph(torch.tensor(samples.x[:8]).double())
        content = {
            "threat": [[str(part), part.lo, part.hi] for part in self.parts],
            **({"layout": samples.layout_text} if samples.layout else {}),
            "samples": samples.digest,
            **({} if self.criterion == CLASS else {"criterion": str(self.criterion)}),
            "weights": hash_weights(self.module),
            "module": str(self.module),
            "source": hashlib.sha256(source.read_bytes()).hexdigest() if source.is_file() else None,
            "answers": f"{float(answers.norm()):.6g}",  # code can change them at equal weights
            "code": hash_sources(set(Path(__file__).parent.rglob("*.py"))),
            "torch": torch.__version__,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _bound_part(self, x: Tensor, y: Tensor, part: LpThreat, method: str) -> Tensor:
        ball = Ball.around(x.double(), part, self.radius)
        with torch.no_grad():
            bounds = bound_by_intervals(self.graph, ball) if method == METHODS[0] else bound_by_lines(self.graph, ball)
            margins = bounds.margins(y, self.criterion)
            if method == "alpha-crown":
                margins = bound_by_best_lines(bounds, y, margins, self.criterion)
        return torch.where(bounds.finite(), margins.amin(1), -math.inf)


def _read(module: nn.Module, x: Tensor) -> Graph:
    """Return the graph of a module; a compressed one is refused in plain words, and not by what torch says of it."""
    try:
        return read_graph(module, x)
    except NoBoundsError as error:
        if not (is_twinned(module) or is_queried(module)):
            raise
        problem = "it is compressed to a form of which no bounds are known"
        raise NoBoundsError(f"{problem}; certify the float network that it was made from") from error


def certify(
    certifier: Certifier,
    samples: Samples,
    correct: Flags,
    method: str,
    *,
    stop: Callable[[], bool] = lambda: False,
    watch: Callable[[str, int, int], None] = lambda method, done, of: None,
    journal: Journal | None = None,
) -> Certificate:
    """Certify those of n samples that are marked `correct`, (n,), by a method of METHODS and those before it.

    `stop` is asked in every step; `watch` is told the method, how many samples it has bounded, and of how many. Each
    batch is shared out to the ranks of the journal, where all must call this with the same arguments.
    """
    journal = journal or Journal()
    known, ended = journal.read(len(samples)), ""
    try:
        for k, rows, done, of in _batches(certifier, known, correct, method, journal.ranks.size):
            watch(METHODS[k], done, of)
            began = time.perf_counter()
            margin = bound_together(certifier, samples.take(rows), METHODS[k], stop, journal.ranks)
            if margin is None:
                ended = TIME
                break
            known.add(rows, margin, k)
            known.seconds += time.perf_counter() - began
            journal.ranks.agree(partial(journal.write, known))
    except KeyboardInterrupt:
        journal.write(known, now=True)
        raise
    journal.ranks.agree(partial(journal.write, known, now=True))
    return known.conclude(method, correct, ended)


def _batches(
    certifier: Certifier, known: Known, correct: Flags, method: str, processes: int
) -> Iterator[tuple[int, NDArray[np.int64], int, int]]:
    """Yield (the number of a method, the samples to bound by it next, how many it has bounded, of how many)."""
    for k, each in enumerate(METHODS[: METHODS.index(method) + 1]):
        left = known.find_left(correct, k)
        size = certifier.batch(each) * processes
        for start in range(0, len(left), size):
            yield k, left[start : start + size], start, len(left)


def bound_together(
    certifier: Certifier,
    samples: Samples,
    method: str,
    stop: Callable[[], bool],
    ranks: Ranks,
    radius: NDArray[np.float64] | None = None,
) -> NDArray[np.float32] | None:
    """Bound the margins of a batch, (b,), that the ranks share; None if it is time to end on one of them.

    Each ball is of its own `radius`, (b,), if it is given.
    """

    def bound() -> NDArray[np.float32] | None:
        some = ranks.deal(samples)
        own = certifier if radius is None else certifier.within(radius[ranks.share])
        try:
            with until(stop):
                check_stopped()
                if not len(some):
                    return np.zeros(0, np.float32)
                found = own.bound(torch.tensor(some.x[:]), torch.from_numpy(some.y), method)
        except StoppedError:
            return None
        return found.numpy().astype(np.float32)

    found = ranks.agree(bound)
    return None if any(ranks.all(found is None)) or found is None else ranks.whole(found)
