"""Certificates: proofs, sample by sample, that no input of a ball is answered wrong.

A network becomes a graph of operators (`graph.py`); each operator bounds its output by intervals (`interval.py`) and by
lines (`backward.py`), and `certify.py` asks the cheapest method first. Every bound is of float64.
"""
