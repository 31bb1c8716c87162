"""Remedies for what hides a model's gradients: one a file, a function of a Plight and a Search."""
