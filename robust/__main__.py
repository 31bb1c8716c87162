"""`python -m robust`, as torchrun starts it."""

import sys

from robust.cli import main

if __name__ == "__main__":
    sys.exit(main())
