"""What is wrong with a model before anything attacks it: one check a file, a function of a Look."""
