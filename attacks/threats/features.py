"""Tables: rows of which an attacker may change some features, within the constraints of a file (`features:FILE.toml`).

Shapes: `x` and `x_adv` are (N, features), the clean rows and others; a missing value is NaN, and stays so. What an
attacker leaves as it is is admitted, whatever it is; what is changed keeps its bounds, its type and its eps, and each
relation that has a changed feature in it. Lengths are shares of each feature's own eps.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from robust.attacks.grammar.features import FEATURES, find_table
from robust.attacks.rng import Rng
from robust.attacks.table_file import Table
from robust.attacks.threats.rows import Columns, Limits, limit, pick_categories, to_simplex
from robust.attacks.threats.rows_repair import repair
from robust.attacks.words import canonical_threat


def of_table(threat: object) -> "FeaturesThreat":
    """Return a threat model that an attack for tables alone gets."""
    assert isinstance(threat, FeaturesThreat)
    return threat


@dataclass(frozen=True)
class FeaturesThreat:
    """The rows that a table's file admits in place of x."""

    word: str  # canonical: "features:loans-1a2b3c4d"
    table: Table
    lo: float = 0.0
    hi: float = 1.0
    relaxed: bool = False  # whether rows are only brought within the limits and the relations, as between two steps
    norm: ClassVar[str] = FEATURES
    eps: ClassVar[Fraction] = Fraction(1)
    keeps_missing: ClassVar[bool] = True

    @classmethod
    def parse(cls, text: str, lo: float | None = None, hi: float | None = None) -> "FeaturesThreat":
        """Read "features:loans.toml", or the canonical word of a file that was read; ValueError for anything else.

        The bounds of the inputs are by default those of the file.
        """
        word = canonical_threat(text, Path())
        table = find_table(word)
        least, most = min(feature.lo for feature in table.features), max(feature.hi for feature in table.features)
        return cls(word, table, least if lo is None else lo, most if hi is None else hi)

    def __str__(self) -> str:
        return self.word

    @property
    def parts(self) -> "tuple[FeaturesThreat, ...]":
        """Return this threat model alone; unions have several parts."""
        return (self,)

    @property
    def negligible(self) -> float:
        """Return the distance that counts as none: a table has no common unit."""
        return 0.0

    @cached_property
    def columns(self) -> Columns:
        """Return the file as tensors, one value for each feature."""
        return Columns.of(self.table)

    @property
    def units(self) -> Tensor:
        """Return what may be set back together, (units, features) bool: each feature that may move, and each group."""
        columns = self.columns
        alone = (columns.eps > 0) & ~columns.category
        single = torch.eye(len(alone), dtype=torch.bool)[alone]
        groups = [torch.isin(torch.arange(len(alone)), members)[None] for members in columns.groups]
        return torch.cat([single, *groups])

    def limit(self, x: Tensor) -> Limits:
        """Return between what each value may move; ValueError if the rows have another number of features."""
        if x.dim() != 2 or x.shape[1] != len(self.table.features):
            raise ValueError(
                f"{self.word} names {len(self.table.features)} features, and an input has the shape {[*x.shape[1:]]}"
            )
        return limit(self.columns, x)

    def relax(self) -> "FeaturesThreat":
        """Return the threat model whose `project` keeps limits and relations alone: integers and groups may mix."""
        return replace(self, relaxed=True)

    def admits(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Mark the rows that keep the file's constraints, (n,) bool."""
        return self._admits(x_adv, x, self.limit(x))

    def _admits(self, x_adv: Tensor, x: Tensor, limits: Limits) -> Tensor:
        columns = self.columns
        same = (x_adv == x) | (x_adv.isnan() & x.isnan())
        value = x_adv.to(torch.float64)
        inside = (value >= limits.low) & (value <= limits.high) & limits.free
        whole = ~columns.whole | (value == value.round())
        kept = (same | (inside & whole)).all(1)
        for members in columns.groups:
            group = value[:, members]
            one_hot = ((group == 0) | (group == 1)).all(1) & (group.sum(1) == 1)
            kept &= same[:, members].all(1) | one_hot
        return kept & columns.keeps(value, ~same).all(1)

    def project(self, x_adv: Tensor, x: Tensor) -> Tensor:
        """Return an admitted row near x_adv: within the limits, whole numbers and categories, relations repaired.

        A row that cannot be repaired is the clean one.
        """
        limits = self.limit(x)
        if self.relaxed:
            return repair(self.columns, limits, x_adv, x, relaxed=True)
        return self._secure(repair(self.columns, limits, x_adv, x), x_adv, x, limits)

    def settle(self, x_adv: Tensor, x: Tensor, held: Tensor) -> Tensor:
        """Return the same with the values in `held`, (n, d) bool, as they are, where the others can restore relations.

        A search that changes some features would else see them moved back by half.
        """
        limits = self.limit(x)
        repaired = repair(self.columns, limits, x_adv, x, held=held)
        failed = ~self._admits(repaired, x, limits)
        if bool(failed.any()):
            repaired[failed] = self.project(x_adv[failed], x[failed])
        return repaired

    def _secure(self, repaired: Tensor, wanted: Tensor, x: Tensor, limits: Limits) -> Tensor:
        """Return the repaired rows; those that are not admitted are repaired exactly, or else the clean ones."""
        failed = ~self._admits(repaired, x, limits)
        if not bool(failed.any()):
            return repaired
        from robust.attacks.threats.rows_exact import nearest

        exact = nearest(self.columns, limits.only(failed), wanted[failed], x[failed])
        sound = self.admits(exact, x[failed])
        result = repaired.clone()
        result[failed] = torch.where(sound[:, None], exact, x[failed])
        return result

    def corner(self, x: Tensor, grad: Tensor) -> Tensor:
        """Return the admitted row with the largest product with `grad`, exactly; x where that finds none."""
        from robust.attacks.threats.rows_exact import farthest

        limits = self.limit(x)
        found = farthest(self.columns, limits, grad, x)
        return torch.where(self.admits(found, x)[:, None], found, x)

    def step(self, x: Tensor, grad: Tensor, length: float | Tensor) -> Tensor:
        """Move x by the signs of the gradient, by `length` times each feature's eps; `length` is a number or (N,).

        An integer moves by one at least, and a group to the category whose gradient is the largest, unless relaxed.
        `project` ends a step.
        """
        columns = self.columns
        length = length.to(torch.float64)[:, None] if isinstance(length, Tensor) else length
        size = length * columns.eps.to(x.device).expand(x.shape)
        if not self.relaxed:
            size = torch.where(columns.whole.to(x.device), size.round().clamp_min(1.0), size)
        moved = x.to(torch.float64) + grad.sign().to(torch.float64) * size
        for members in columns.groups:
            best, way = pick_categories(grad[:, members].to(torch.float64)), size[:, members].clamp_max(1.0)
            now = x[:, members].to(torch.float64)
            moved[:, members] = now + way * (best - now) if self.relaxed else best
        return moved.to(x.dtype)

    def sample(self, x: Tensor, rng: Rng) -> Tensor:
        """Draw each value uniformly within its limits, each category alike, and repair the rows."""
        limits = self.limit(x)
        share = rng.uniform(x).to(torch.float64)
        drawn = limits.low + share * (limits.high - limits.low)
        drawn = torch.where(self.columns.whole, (limits.low + (share * (limits.high - limits.low + 1)).floor()), drawn)
        for members in self.columns.groups:
            drawn[:, members] = to_simplex(share[:, members]) if self.relaxed else pick_categories(share[:, members])
        return self.project(torch.where(limits.free, drawn, x.to(torch.float64)).to(x.dtype), x)
