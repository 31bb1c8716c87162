"""Adversarial training: one loop, one file for each recipe, and a cache of trained weights."""
