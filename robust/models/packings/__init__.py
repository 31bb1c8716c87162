"""The packings: one a file, from a float module and inputs that calibrate it to a packed copy."""
