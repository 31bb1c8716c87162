"""Our attacks beside those of other libraries, on the same models and pictures, in one run: see README.md."""
