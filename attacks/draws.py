"""Draws: how the answer of a model that answers at random is formed, and the sizes of the test of it. No torch.

An answer counts as wrong at an input if it is wrong with a probability above one half. That is decided by an exact
binomial test on fresh answers, at several sizes: the level is shared out among them, so that the whole test keeps it
(Bonferroni). What no size decides stays undecided. The rule follows DiffBreak (2411.16598), which argues that one draw
of a random defence says little.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from robust.attacks.registry import suggest

ONE, MAJORITY, MEAN = "1", "majority", "mean"
MAX_DRAWS = 10_000
LOOKED_AT = 10  # draws of each iterate of an attack, and of each of its gradients
SIZES = (10, 20, 40, 80, 160, 320, 640)  # of the test: answers so far
LEVEL = 0.01  # on each side of one half

RULES = {  # how an answer is formed, for people
    ONE: "one draw",
    f"{MAJORITY}:N": "the class that most of N draws say, the first of equal ones",
    f"{MEAN}:N": "the mean of N draws, of probabilities or of values",
}


@dataclass(frozen=True, slots=True)
class Draws:
    """How a deployed answer is formed: of one draw, of the majority of `n` draws, or as their mean."""

    rule: str = ONE
    n: int = 1

    @classmethod
    def parse(cls, text: str) -> "Draws":
        """Read "1", "majority:5" or "mean:10"; ValueError, in one line, for anything else."""
        rule, colon, number = text.strip().partition(":")
        if rule == ONE and not colon:
            return cls()
        if rule not in (MAJORITY, MEAN):
            if rule.isdigit() and not colon:
                raise ValueError(f"say what {rule} draws become: majority:{rule} or mean:{rule}; or 1, a single draw")
            raise ValueError(f"unknown rule {suggest(rule, (MAJORITY, MEAN))}; write 1, majority:10 or mean:10")
        if not (number.isascii() and number.isdigit() and 2 <= int(number[:9]) <= MAX_DRAWS):
            raise ValueError(f"{rule} needs a number of draws from 2 to {MAX_DRAWS}, as {rule}:10, got {number!r}")
        return cls(rule, int(number))

    def check(self, labels: str) -> None:
        """Raise ValueError, in one line, if answers to labels of this kind cannot be formed so."""
        if self.rule == MAJORITY and labels != "class":
            raise ValueError(f"a majority is of classes, and the labels are none; write 1 or mean:{self.n}")

    def describe(self) -> str:
        """Return what an answer is formed of: "one draw", "the mean of 10 draws"."""
        return "one draw" if self.rule == ONE else f"the {self.rule} of {self.n} draws"

    def describe_cost(self) -> str:
        """Return what attacks on such a model take, in passes of a sample."""
        return (
            f"each step of an attack takes {LOOKED_AT} draws with gradients and {LOOKED_AT} more, and each test "
            f"{SIZES[0]} to {SIZES[-1]} answers{f' of {self.n} draws' * (self.n > 1)}"
        )

    def __str__(self) -> str:
        return ONE if self.rule == ONE else f"{self.rule}:{self.n}"


def draws_slug(draws: str) -> str:
    """Return the word as the end of a file's name: "-draws-mean-10"; "" for that of a model that is not random."""
    return f"-draws-{draws.replace(':', '-')}" if draws else ""


@lru_cache
def least_count(size: int) -> int:
    """Return how many of `size` answers must agree for the test to decide: wrong ones, or right ones."""
    level, above = LEVEL / len(SIZES), 0
    for count in range(size, -1, -1):
        above += math.comb(size, count)
        if above > level * 2**size:
            return count + 1
    raise AssertionError("a probability is at most 1")
