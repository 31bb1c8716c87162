"""The preflight checks, which look for faults of a model before it is attacked: one a file, from a ModelProbe."""
