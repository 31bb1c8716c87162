"""Measure a model: one attack, a suite, its cache, the size of a batch."""
