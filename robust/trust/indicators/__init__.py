"""The indicators, which look for attacks that failed for reasons of their own: one a file, from an AttackProbe."""
