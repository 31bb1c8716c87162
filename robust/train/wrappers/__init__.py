"""What goes with every recipe and wraps it, one a file, named as the file: "trades+awp+ema"."""
