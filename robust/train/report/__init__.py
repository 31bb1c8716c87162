"""The report on a training: one HTML page, made from its card, its curves and one look at its weights."""
