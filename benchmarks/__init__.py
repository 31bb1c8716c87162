"""Compare our attacks with those of other libraries, on the same models and images: see README.md."""
