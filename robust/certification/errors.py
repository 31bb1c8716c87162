"""The error for what has no bounds."""


class NoBoundsError(ValueError):
    """The error for a network or a threat model for which no bounds are known; one line, which says why."""
