"""Rows: the record of what was measured for each sample, its evidence, and the folder of both. No torch."""
