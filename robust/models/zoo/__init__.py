"""Untrained architectures, one in each file, for inputs of every shape that suits them."""
