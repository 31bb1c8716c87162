"""One library a file: functions that make an attack (model, x, y) -> x_adv of the library's own. Inputs in [0, 1]."""
