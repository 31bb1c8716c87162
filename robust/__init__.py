"""pytest-robust: adversarial robustness tests for PyTorch models, from pytest. Importing it imports no torch."""

__version__ = "0.1.0.dev0"
