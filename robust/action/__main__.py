"""The step of action.yml: inputs in the environment in, files, outputs and annotations out."""

import os
import sys

from robust.action.step import run_step

if __name__ == "__main__":
    sys.exit(run_step(os.environ, sys.stdout, sys.stderr))
