"""The names of the attacks that are added to a row, which the user has not named. No numpy: collecting reads them."""

CURVE = "curve"  # of what the curve has found within the row's eps
MITIGATED = "mitigated"  # of the attack with mitigations that is run if a row's attacks are in doubt
ADDED = (CURVE, MITIGATED)
