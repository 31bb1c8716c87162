"""Shipped suites, one file each. They are frozen: a change is a new file, "standard-2"."""
