"""pixels:S: of a map of classes, at least the share S of the pixels must be answered right; others may not count.

Shapes: `output` are logits, (n, C, h, w); `y` are the classes of the pixels, (n, h, w) int64. A pixel whose label is
below 0, or one of those to ignore, counts nowhere. No torch in this file: collecting tests reads criteria.
"""

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from robust.attacks.criteria.registry import CRITERIA
from robust.attacks.spec import Spec

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

EXPECTED = "write pixels:S with the share of its pixels that must be right, as pixels:0.9, or pixels:0.9:ignore=255"
ROUNDING = 1e-9  # pixels: 0.9 of 10 pixels are 9, whatever the product is in floats
OTHERS = 0.01  # weight of all pixels beside that of the nearest ones: where they do not compete, all are moved
TINY = 1e-12


class Pixels(NamedTuple):
    """Answers and labels of n samples, pixel by pixel."""

    logits: "Tensor"  # (n, C, P)
    labels: "Tensor"  # (n, P) int64; 0 where the pixel does not count
    counts: "Tensor"  # (n, P) bool

    @property
    def right(self) -> "Tensor":
        """The pixels that count and are answered right, (n, P) bool."""
        return (self.logits.argmax(1) == self.labels) & self.counts

    @property
    def margins(self) -> "Tensor":
        """The largest other logit minus the label's, (n, P)."""
        place = self.labels[:, None]
        return self.logits.scatter(1, place, -math.inf).amax(1) - self.logits.gather(1, place)[:, 0]

    def mean(self, values: "Tensor") -> "Tensor":
        """Return the means of values, (n, P), over the pixels that count, (n,)."""
        return values.masked_fill(~self.counts, 0.0).sum(1) / self.counts.sum(1).clamp_min(1)


@CRITERIA.register("pixels")
@dataclass(frozen=True, slots=True)
class PixelShare:
    """Accept an answer if at least a share of the pixels that count have their label's logit as the largest."""

    share: float
    ignore: tuple[int, ...] = ()  # labels of pixels that do not count, beside those below 0
    done: float = field(default=0.0, compare=False, repr=False)  # the share of an attack's steps that are made
    # Scores of n samples, and how many pixels fewer must be right for the losses; None: as the share says.
    sought: "tuple[Tensor, Tensor] | None" = field(default=None, compare=False, repr=False)
    shared: bool = field(default=False, compare=False, repr=False)  # whether pixels share the ball, as in l2

    labels: ClassVar[Literal["map"]] = "map"
    losses: ClassVar[tuple[str, ...]] = ("ce", "margin", "segpgd", "js", "mask-ce", "mask-ce-bal", "mask-sph")
    score_name: ClassVar[str] = "pixels"
    rises: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            hint = f"; did you mean {self.share / 100:g}?" if 1 < self.share <= 100 else ""
            raise ValueError(f"the share must be above 0 and at most 1, got {self.share:g}{hint}")

    @classmethod
    def from_spec(cls, spec: Spec) -> "PixelShare":
        """Read pixels:0.9, pixels:90% or pixels:0.9:ignore=0,255; raise ValueError for anything else."""
        options = dict(spec.options)
        numbers = str(options.pop("ignore", "")).split(",") if "ignore" in options else []
        if len(spec.args) != 1 or options or not all(number.removeprefix("-").isdecimal() for number in numbers):
            raise ValueError(EXPECTED)
        text = spec.args[0].removesuffix("%")
        try:
            number = float(text)
        except ValueError:
            raise ValueError(f"{spec.args[0]!r} is no number; {EXPECTED}") from None
        return cls(number / 100 if text != spec.args[0] else number, tuple(sorted({*map(int, numbers)})))

    def __str__(self) -> str:
        ignored = f":ignore={','.join(map(str, self.ignore))}" if self.ignore else ""
        return f"pixels:{self.share:.9g}{ignored}"

    def describe(self) -> str:
        """Return what a right answer is, for people."""
        return f"at least {100 * self.share:g} % of the pixels right"

    def during(self, done: float) -> "PixelShare":
        """Return the criterion for an attack that has made this share of its steps: the weights of SegPGD follow it."""
        return replace(self, done=done)

    def sharing(self, shared: bool) -> "PixelShare":
        """Return the criterion for an attack under which pixels share the ball, or each has its own."""
        return replace(self, shared=shared)

    def beyond(self, score: "Tensor", pixels: "Tensor") -> "PixelShare":
        """Return the criterion whose losses seek so many `pixels` fewer than at a score; both are (n,)."""
        return replace(self, sought=(score, pixels))

    def of_samples(self, keep: "Tensor") -> "PixelShare":
        """Return the criterion of the samples in the mask `keep`, (n,) bool, of those whose scores were given."""
        return self if self.sought is None else replace(self, sought=(self.sought[0][keep], self.sought[1][keep]))

    def count_targets(self, width: int) -> int:
        """Return how many ways there are to be wrong: any pixels may be answered as each of the classes."""
        return width

    def mark_counted(self, y: Any) -> Any:
        """Mark the pixels that count, of the shape of y: an array or a tensor of labels."""
        counts = y >= 0
        for label in self.ignore:
            counts &= y != label
        return counts

    def refuse_labels(self, y: "NDArray[Any]") -> str:
        """Return why these labels, (n, h, w), cannot be judged; "" if they can."""
        import numpy as np

        if (rows := np.flatnonzero(~self.mark_counted(y).any((1, 2)))).size:
            return f"{len(rows)} samples have no pixel that counts, the first in row {rows[0]}; leave them out"
        return ""

    def finite(self, output: "Tensor") -> "Tensor":
        """Mark the samples whose logits are all finite, (n,) bool."""
        return output.flatten(1).isfinite().all(1)

    def accepts(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Mark the samples that have enough right pixels, (n,) bool."""
        pixels = self._read(output, y)
        return pixels.right.sum(1) > pixels.counts.sum(1) - self._fatal(pixels)

    def margin(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Return how far the pixels that must fall for a wrong answer, those nearest to it, are from that, (n,).

        Below 0 it is the root of their mean square, where those that have fallen are 0; above 0 the smallest of them.
        """
        pixels = self._read(output, y)
        return _shortfall(pixels.margins, pixels.counts, self._fatal(pixels))

    def score(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Return the share of the pixels that are right, (n,)."""
        pixels = self._read(output, y)
        return pixels.right.sum(1).to(output.dtype) / pixels.counts.sum(1).clamp_min(1)

    def ranked_targets(self, output: "Tensor", y: "Tensor") -> "Tensor":
        """Return the classes, (n, C) int64, those first whose logits are nearest to the labels', in the mean."""
        pixels = self._read(output, y)
        ahead = pixels.logits - pixels.logits.gather(1, pixels.labels[:, None])
        own = pixels.labels[:, None] == _arange(pixels.logits, 1)[None, :, None]
        apt = pixels.counts[:, None] & ~own
        mean = ahead.masked_fill(~apt, 0.0).sum(2) / apt.sum(2).clamp_min(1)
        return mean.masked_fill(~apt.any(2), -math.inf).sort(dim=1, descending=True, stable=True).indices

    def halfspaces(self, y: "Tensor", width: int) -> None:
        """Return None: that enough pixels are right is no conjunction of linear functions."""
        del y, width

    def loss(self, name: str, output: "Tensor", y: "Tensor", target: "Tensor | None" = None) -> "Tensor":
        """Return the margin, and a little of all pixels'; or their mean cross-entropy, with the gradient of the loss.

        Those of `segpgd` are of Gu et al. 2022 (2207.12391), and of the others of Croce, Singh and Hein 2024
        (2306.12941), who follow the cross-entropy, too: what is masked falls as more pixels are wrong. With `target`,
        (n,) int64, pixels are to be answered as that class.
        """
        if name not in self.losses:
            raise ValueError(f"the loss {name} is for classes; {self} has {', '.join(self.losses)}")
        pixels = self._read(output, y)
        if target is not None:
            return self._toward(name, pixels, target)
        if name == "margin":
            margins = pixels.margins
            others = self._others * pixels.mean(margins.clamp_max(0))
            return _pursue(margins, pixels.counts, self._fatal(pixels)) + others
        ce = -_log_share(pixels, pixels.labels)
        value = pixels.mean(ce)
        return value if name == "ce" else value.detach() + _slope(pixels.mean(self._weigh(name, pixels, ce)))

    @property
    def _others(self) -> float:
        """Return the weight of all pixels beside the nearest.

        Where they share the ball it falls to 0 half-way, and is 0 if so many pixels are sought: it would miss the last
        0.1 % of eps. Networks fall to the margin more easily with it in the beginning.
        """
        if self.sought is not None:
            return 0.0
        return OTHERS * max(0.0, 1 - 2 * self.done) if self.shared else OTHERS

    def _weigh(self, name: str, pixels: Pixels, ce: "Tensor") -> "Tensor":
        """Return the loss of each pixel, (n, P), from its cross-entropy."""
        right = pixels.right.to(ce.dtype)
        if name == "segpgd":
            late = self.done / 2
            return ce * (right * (1 - late) + (1 - right) * late)
        if name == "js":  # the divergence from the label, in closed form
            p = ce.neg().exp()
            return math.log(2) - ((1 + p) * p.log1p() + p * ce) / 2
        if name == "mask-sph":
            length: Tensor = pixels.logits.norm(dim=1).clamp_min(TINY)
            return -right * pixels.logits.gather(1, pixels.labels[:, None])[:, 0] / length
        masked: Tensor = right * ce
        return masked * _balance(pixels) if name == "mask-ce-bal" else masked

    def _toward(self, name: str, pixels: Pixels, target: "Tensor") -> "Tensor":
        """Return the loss towards a class, (n,), of the pixels that are not of that class."""
        apt = pixels._replace(counts=pixels.counts & (pixels.labels != target[:, None]))
        place = target[:, None].expand_as(pixels.labels)
        ahead = (pixels.logits.gather(1, place[:, None]) - pixels.logits.gather(1, pixels.labels[:, None]))[:, 0]
        if name == "margin":
            value = _shortfall(ahead, apt.counts, self._fatal(pixels).minimum(apt.counts.sum(1)))
            return value + self._others * apt.mean(ahead.clamp_max(0))
        return apt.mean(_log_share(pixels, place) * (1 if name == "ce" else pixels.right))

    def _read(self, output: "Tensor", y: "Tensor") -> Pixels:
        """Return answers and labels pixel by pixel; the answers may be flat, (n, C * h * w)."""
        labels = y.flatten(1)
        counts = self.mark_counted(labels)
        logits = output.reshape(len(y), output.numel() // max(labels.numel(), 1), labels.shape[1])
        return Pixels(logits, labels.masked_fill(~counts, 0), counts)

    def _fatal(self, pixels: Pixels) -> "Tensor":
        """Return how many wrong pixels are too many, (n,) int64; or how many are sought."""
        counted = pixels.counts.sum(1)
        if self.sought is None:
            return counted - (self.share * counted.double() - ROUNDING).ceil().long() + 1
        score, fewer = self.sought
        return (counted - (score * counted).round().long() + fewer).minimum(counted)


def _shortfall(margins: "Tensor", counts: "Tensor", fatal: "Tensor") -> "Tensor":
    """Return the margin of n samples, (n,): of the `fatal` pixels with the largest `margins`, (n, P), that count.

    Below 0 it is the root of their mean square, where the fallen are 0. That gradient is the shortest way in l2.
    """
    ordered = margins.masked_fill(~counts, -math.inf).sort(dim=1, descending=True).values
    nearest = _arange(ordered, 1)[None] < fatal[:, None]
    missing: Tensor = ordered.clamp_max(0).where(nearest, 0.0).norm(dim=1) / fatal.clamp_min(1).sqrt()
    last: Tensor = ordered.gather(1, (fatal - 1).clamp_min(0)[:, None])[:, 0]
    return last.clamp_min(0) - missing


def _pursue(margins: "Tensor", counts: "Tensor", fatal: "Tensor") -> "Tensor":
    """Return the margin as a loss, (n,): once enough pixels have fallen, it goes on with the next one."""
    fallen = ((margins > 0) & counts).sum(1)
    over = fallen >= fatal
    value = _shortfall(margins, counts, fatal.maximum(fallen + 1).minimum(counts.sum(1)))
    return value.where(~over, (fallen - fatal).to(value) + value.clamp_max(0).exp())


def _log_share(pixels: Pixels, place: "Tensor") -> "Tensor":
    """Return the logarithm of the probability of the classes `place`, (n, P)."""
    return pixels.logits.log_softmax(1).gather(1, place[:, None])[:, 0]


def _balance(pixels: Pixels) -> "Tensor":
    """Return weights of the pixels, (n, P), with which each class of a sample weighs the same."""
    ones = pixels.counts.to(pixels.logits.dtype)
    sizes = ones.new_zeros(pixels.logits.shape[:2]).scatter_add(1, pixels.labels, ones)
    weights = sizes.clamp_min(1).reciprocal().gather(1, pixels.labels) * ones
    return weights * ones.sum(1, keepdim=True) / weights.sum(1, keepdim=True).clamp_min(TINY)


def _slope(loss: "Tensor") -> "Tensor":
    """Return 0 with the gradient of the loss, (n,)."""
    return loss - loss.detach()


def _arange(like: "Tensor", axis: int) -> "Tensor":
    """Return 0, 1, ... along an axis, on the device of a tensor."""
    import torch

    return torch.arange(like.shape[axis], device=like.device)
