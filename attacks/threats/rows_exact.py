"""Exact searches among the admitted rows of a table, as mixed-integer programs that HiGHS solves (scipy).

Many rows are one linear program, whose blocks do not touch each other; only rows with a fractional integer or category
in its solution need a program of their own. Shapes: n rows, d features, p of them in play, r relations.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robust.attacks.threats.rows import Columns, Limits, pick_categories
from robust.attacks.threats.rows_repair import repair

Floats = NDArray[np.float64]

ROWS = 256  # of a program
SECONDS = 2.0  # for a row whose integers are hard to find
FRACTIONAL = 1e-6
LEAST = 1e-6  # of the largest slope: what has none is moved one way all the same


class Program(NamedTuple):
    """The constraints of n rows on the moves of the features in play, in shares of each one's unit."""

    play: NDArray[np.int64]  # (p,): the columns
    unit: Floats  # (p,)
    base: Floats  # (n, p): the clean values, integers rounded
    low: Floats  # (n, p)
    high: Floats  # (n, p)
    matrix: Floats  # (m, p): relations and groups, the same for all rows
    least: Floats  # (n, m)
    most: Floats  # (n, m)
    whole: NDArray[np.bool_]  # (p,)

    @classmethod
    def of(cls, columns: Columns, limits: Limits, x: Tensor) -> "Program":
        """Return the constraints of the rows x; all in play are those in a relation, or in a group with such a one."""
        inside = (columns.weights != 0).any(0)
        for members in columns.groups:
            inside[members] = inside[members].any()
        play = inside.nonzero()[:, 0]
        whole = (columns.whole | columns.category)[play]
        value = x.to(torch.float64)[:, play].nan_to_num(0.0)
        base = torch.where(whole, value.round(), value)
        unit = torch.where(whole | (columns.eps[play] == 0), 1.0, columns.eps[play])
        free = limits.free[:, play]
        low = torch.where(free, limits.low[:, play] - base, value - base) / unit
        high = torch.where(free, limits.high[:, play] - base, value - base) / unit
        groups = [torch.isin(play, members).double() for members in columns.groups if bool(inside[members].all())]
        weights = columns.weights[:, play]
        size = (weights * unit).abs().amax(1).clamp_min(1e-300)
        rest = -(base @ weights.T + columns.constant) / size
        missing = x[:, play].isnan().double() @ (weights != 0).double().T > 0
        least = torch.where(missing | ~columns.equal, -torch.inf, rest)
        most = torch.where(missing, torch.inf, rest)
        alone = torch.zeros(len(x), len(groups), dtype=torch.float64)
        matrix = torch.cat([weights * unit / size[:, None], *(group[None] for group in groups)])
        parts = (play, unit, base, low, high, matrix, torch.cat([least, alone], 1), torch.cat([most, alone], 1), whole)
        return cls(*(part.cpu().numpy() for part in parts))

    def rows(self, chosen: NDArray[np.int64]) -> "Program":
        """Return the constraints of some of the rows."""
        several = {name: getattr(self, name)[chosen] for name in ("base", "low", "high", "least", "most")}
        return self._replace(**several)


def farthest(columns: Columns, limits: Limits, grad: Tensor, x: Tensor) -> Tensor:
    """Return the rows with the largest product with `grad`, (n, d), in the type of x; one may not be admitted."""
    slope, value = grad.to(torch.float64), x.to(torch.float64)
    edge = torch.where(slope > 0, limits.high, torch.where(slope < 0, limits.low, value.clamp(limits.low, limits.high)))
    value = torch.where(limits.free, edge, value)
    for members in columns.groups:
        picked = pick_categories(slope[:, members])
        value[:, members] = torch.where(limits.free[:, members], picked, value[:, members])
    if not len(columns.constant):
        return repair(columns, limits, value, x)
    program = Program.of(columns, limits, x)
    gain = slope.cpu().numpy()[:, program.play] * program.unit
    cost = -gain / np.maximum(np.abs(gain).max(1, keepdims=True), 1e-300)
    cost = np.where(np.abs(cost) < LEAST, LEAST * np.cos(1.0 + program.play), cost)  # or ties depend on the batch
    return _place(columns, limits, program, _solve(program, cost), value, x)


def nearest(columns: Columns, limits: Limits, wanted: Tensor, x: Tensor) -> Tensor:
    """Return the rows nearest to `wanted`, (n, d), by the sum of moves in units; one may not be admitted."""
    program = Program.of(columns, limits, x)
    there = wanted.to(torch.float64).nan_to_num(0.0).cpu().numpy()[:, program.play]
    goal = np.clip((there - program.base) / program.unit, program.low, program.high)
    n, p = goal.shape
    eye, cost = np.eye(p), np.concatenate([np.zeros((n, p)), np.ones((n, p))], 1)
    doubled = program._replace(  # a second variable for each feature: its distance from the goal
        low=np.concatenate([program.low, np.zeros((n, p))], 1),
        high=np.concatenate([program.high, np.full((n, p), np.inf)], 1),
        matrix=np.block([[program.matrix, np.zeros((len(program.matrix), p))], [eye, -eye], [eye, eye]]),
        least=np.concatenate([program.least, np.full((n, p), -np.inf), goal], 1),
        most=np.concatenate([program.most, goal, np.full((n, p), np.inf)], 1),
        whole=np.concatenate([program.whole, np.zeros(p, bool)]),
    )
    return _place(columns, limits, program, _solve(doubled, cost)[:, :p], wanted.to(torch.float64), x)


def _place(columns: Columns, limits: Limits, program: Program, moves: Floats, value: Tensor, x: Tensor) -> Tensor:
    """Return the rows with the moves of a solution, (n, p), and what rounding has broken in it made good."""
    found = program.base + program.unit * moves
    found[:, program.whole] = np.rint(found[:, program.whole])
    placed = value.clone()
    placed[:, torch.from_numpy(program.play)] = torch.from_numpy(found).to(value)
    return repair(columns, limits, placed, x)


def _solve(program: Program, cost: Floats) -> Floats:
    """Return the solutions, (n, variables); NaN where there is none."""
    parts = [np.arange(k, min(k + ROWS, len(cost))) for k in range(0, len(cost), ROWS)]
    found = [_solve_together(program.rows(chosen), cost[chosen]) for chosen in parts]
    solution = np.concatenate([np.zeros((0, cost.shape[1])), *found])
    whole = solution[:, program.whole]
    for row in np.flatnonzero(~(np.abs(whole - np.rint(whole)) <= FRACTIONAL).all(1) | np.isnan(solution).any(1)):
        solution[row] = _solve_one(program.rows(np.array([row])), cost[row])
    return solution


def _solve_together(program: Program, cost: Floats) -> Floats:
    """Solve the rows' programs as one, without regard to whole numbers; NaN if one of them has no solution."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array, identity, kron

    matrix = kron(identity(len(cost)), csr_array(program.matrix), format="csr")
    limits = LinearConstraint(matrix, program.least.ravel(), program.most.ravel())
    found = milp(cost.ravel(), constraints=limits, bounds=Bounds(program.low.ravel(), program.high.ravel()))
    return np.full(cost.shape, np.nan) if found.x is None else np.asarray(found.x).reshape(cost.shape)


def _solve_one(program: Program, cost: Floats) -> Floats:
    """Solve one row's program, with its whole numbers; NaN if it has no solution, or none is found in time."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    found = milp(
        cost,
        integrality=program.whole.astype(int),
        constraints=LinearConstraint(program.matrix, program.least[0], program.most[0]),
        bounds=Bounds(program.low[0], program.high[0]),
        options={"time_limit": SECONDS},
    )
    return np.full(len(cost), np.nan) if found.x is None else np.asarray(found.x)
