"""The data sets, one in each file, named as the file."""
