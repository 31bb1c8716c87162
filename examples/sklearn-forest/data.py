"""The data of the training and of the plugin: each calls `load`, the plugin with "test"."""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def load(split):
    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x / 16, y, test_size=0.3, random_state=0)
    return (x_train, y_train) if split == "train" else (x_test, y_test)
