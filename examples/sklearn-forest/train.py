"""Fit a forest: `python train.py` writes it to forest.joblib."""

import joblib
from sklearn.ensemble import RandomForestClassifier

from data import load

joblib.dump(RandomForestClassifier(100, random_state=0).fit(*load("train")), "forest.joblib")
