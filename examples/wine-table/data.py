"""The data: a DataFrame, whose names are those of wine.toml; the plugin calls `load` with "test"."""

from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split


def load(split):
    x, y = load_wine(return_X_y=True, as_frame=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.5, random_state=0, stratify=y)
    return (x_train, y_train) if split == "train" else (x_test, y_test)
