"""The data sets by name, one file each. Importing this package imports no numpy and no torch."""

from robust.data.dataset import Dataset as Dataset
from robust.data.dataset import Samples as Samples
