"""What a training looks like: one HTML page, made from its card, its curves and one look at its weights."""
