"""Read options, of pytest or of a command, into values that are checked."""
