"""`python -m robust`, as torchrun starts it."""

import sys

from robust.cli import main

sys.exit(main())
