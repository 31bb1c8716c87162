"""The test of significance of the checks that count samples."""

from robust.stats import above

MAX_SHARE = 0.005  # of the samples that only a weaker attack breaks, by luck; many published ranks differ by no more
# Of a false alarm in one comparison; there are about 20, so in one sound model of a hundred.
MAX_P_VALUE = 0.0005


def is_significant(k: int, m: int, share: float = MAX_SHARE) -> bool:
    """Whether k of m samples are significantly more than `share` of them, by an exact binomial test."""
    return k > 0 and above(k, m, share) < MAX_P_VALUE
