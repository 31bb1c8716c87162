"""The step of action.yml: inputs in the environment in, files, outputs and annotations out."""

import os
import sys

from robust.action.step import gate

if __name__ == "__main__":
    sys.exit(gate(os.environ, sys.stdout, sys.stderr))
