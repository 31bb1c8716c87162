"""The model under test: any object with predict_proba or predict, here of scikit-learn."""

from pathlib import Path

import joblib


def make():
    return joblib.load(Path(__file__).with_name("forest.joblib"))
