"""The common corruptions of pictures (Hendrycks and Dietterich 2019, 1903.12261), by numpy, scipy and Pillow alone."""
