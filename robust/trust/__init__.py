"""May the number be believed? Checks of the model before it is attacked, and of what the attacks then did."""
