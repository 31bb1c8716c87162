"""Adversarial training: one loop, one recipe a file, and a store of what was trained."""
