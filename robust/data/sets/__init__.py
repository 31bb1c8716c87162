"""One data set a file, named as the file."""
