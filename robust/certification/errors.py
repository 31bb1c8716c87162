"""The errors for what has no bounds."""


class NoBoundsError(ValueError):
    """The error for a network or a threat model for which no bounds are known; one line, which says why."""


class UnknownOptionError(ValueError):
    """The error for an operator that has bounds, but not with the option or the arguments that it says."""
