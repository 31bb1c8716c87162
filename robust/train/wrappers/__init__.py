"""Wrappers of any recipe, one in each file, named as the file: "trades+awp+ema"."""
