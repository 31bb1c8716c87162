"""Baselines: rows that were measured before, and whether a model has got worse since, on the same samples."""
