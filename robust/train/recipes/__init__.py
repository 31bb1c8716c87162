"""One adversarial-training variant a file, named as the file; defaults from the papers."""
