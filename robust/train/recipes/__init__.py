"""The recipes of adversarial training, one in each file, named as the file; defaults are the papers'."""
