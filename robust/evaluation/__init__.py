"""Measure a model: run attacks and suites in batches, cache them, and verify what they find."""
