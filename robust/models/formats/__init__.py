"""The formats of models, one in each file; see robust/models/format.py."""
