"""One attack a file, named as the file."""
