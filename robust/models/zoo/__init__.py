"""Untrained architectures, one a file, for inputs of any shape that makes sense."""
