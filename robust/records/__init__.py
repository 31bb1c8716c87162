"""Rows: the record of what was done to each sample, its evidence, and the folder that holds both. No torch."""
