"""Data sets by name, one in each file. Importing this package imports neither numpy nor torch."""

from robust.data.dataset import Dataset as Dataset
from robust.data.dataset import Samples as Samples
