"""Criteria, one file each: which answers of a model are acceptable, and how far an answer is from that."""
