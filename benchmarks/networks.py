"""`make bench-networks`: train the networks of networks.toml whose weights are missing, one after the other."""

import argparse
import math
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.duel import run_suite
from benchmarks.subjects import ROOT, Case, choose_cases
from robust.attacks import LpThreat

IMAGES, SHARE = 200, 0.25  # of which this share is to be left at the third eps
RANGE, HALVINGS = 16.0, 8  # the usual eps times this, or over this, is the end of the search


def main(argv: list[str] | None = None) -> int:
    """Train what is missing, or show the third eps; return the exit status of the last training that failed."""
    parser = argparse.ArgumentParser(prog="benchmarks.networks", description=__doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="some of them only")
    parser.add_argument(
        "--quarter", action="store_true", help="train nothing; show the eps that leaves about a quarter"
    )
    args, failed = parser.parse_args(argv), 0
    for case in choose_cases(args.networks, parser):
        if args.quarter:
            _print(describe_quarter(case))
        elif not case.path.exists():
            command = training_command(case)
            _print(" ".join(command[2:]))
            failed = subprocess.run(command, cwd=ROOT, check=False).returncode or failed
    return failed


def training_command(case: Case) -> list[str]:
    """Return the command that trains a network, for a shell in the repository's root."""
    command = [sys.executable, "-m", "robust", "train", case.arch, f"--recipe={case.recipe}", f"--data={case.data}"]
    threat, out = case.trained or case.threat, case.path.relative_to(ROOT)
    return [*command, f"--threat={threat}", f"--seed={case.seed}", f"--out={out}"]


def describe_quarter(case: Case) -> str:
    """Return what quick-1 leaves of validation images at the usual eps, and at the eps that leaves about a quarter."""
    on, usual = case.subject(IMAGES, 0, held_out=True), LpThreat.parse(case.threat)

    def left(eps: float) -> float:
        threat = LpThreat.parse(f"{usual.norm}:{eps:.2g}")
        return float(np.mean(~run_suite(on, "quick-1", threat, 0).adversarial)) * len(on.x) / on.n

    found = find_eps(left, float(usual.eps), float(LpThreat.widest(usual.norm, on.x).eps))
    shares = (len(on.x) / on.n, left(float(usual.eps)), left(found))
    clean, at_usual, at_found = (f"{100 * share:.1f} %" for share in shares)
    return f'{case.name}: clean {clean}, {case.threat} {at_usual}; quarter = "{found:.2g}" leaves {at_found}'


def find_eps(left: Callable[[float], float], usual: float, most: float) -> float:
    """Return the eps at which a falling share is about SHARE, by halving a range on a logarithmic scale."""
    low, high = usual / RANGE, min(usual * RANGE, most)
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if left(middle) > SHARE else (low, middle)
    return math.sqrt(low * high)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
