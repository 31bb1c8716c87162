"""The formats that models come in, one a file; see robust/models/format.py."""
