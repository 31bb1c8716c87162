"""The data sets by name, one file each. Importing this package imports no numpy and no torch."""
