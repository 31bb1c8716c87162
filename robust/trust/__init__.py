"""Checks of the trust in a figure: of the model before it is attacked, and of the outcome of the attacks."""
