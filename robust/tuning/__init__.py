"""Tuning: the options of a recipe, of the loop and of an architecture are chosen by an accuracy on validation.

`space.py` reads what may vary, `journal.py` keeps the trials with Optuna, and `trial.py` trains one by the loop of
`robust train`.
"""
