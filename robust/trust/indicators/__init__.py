"""Signs that the attacks fooled themselves: one a file, a function of a Trial."""
