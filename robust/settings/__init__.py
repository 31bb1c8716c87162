"""From options to values."""
