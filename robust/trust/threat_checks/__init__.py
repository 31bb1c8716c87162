"""Checks of a threat model against the data, one file each: before the attacks, and without the model."""
