"""Check that a run of a suite that is killed again and again ends as one that is not."""

import random
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.subjects import ROOT
from robust.records.record import Record

KILLS = 20
EARLIEST, LATEST = 2.0, 12.0  # seconds after the start; importing torch takes about two
MODEL = ROOT / "benchmarks/models/digits-pgd-at.safetensors"


def kills(suite: str) -> list[str]:
    """Run until the row exists, killed at random moments; begin again until there were KILLS kills."""
    moments, killed, ends, same = random.Random(0), 0, 0, 0
    with tempfile.TemporaryDirectory() as text:
        whole = _row(Path(text) / "whole", suite, None)
        assert whole is not None
        while killed < KILLS:
            ends, folder = ends + 1, Path(text) / str(ends)
            while (row := _row(folder, suite, moments.uniform(EARLIEST, LATEST) if killed < KILLS else None)) is None:
                killed += 1
            same += row.same_outcomes(whole)
    holds = "yes" if same == ends else "**no**"
    return [
        f"- killed {killed} times at random moments, {same} of {ends} runs ended as the one that never was: {holds}"
    ]


def _row(folder: Path, suite: str, seconds: float | None) -> Record | None:
    """Return the row; None if the run was killed before."""
    folder.mkdir(exist_ok=True)
    (folder / "pytest.ini").touch()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--robust-suite={suite}"]
    command += [f"--robust-model={MODEL}", f"--robust-arch={ROOT / 'examples/digits.py'}:make", "--robust-only"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as run:
        try:
            run.wait(seconds)
        except subprocess.TimeoutExpired:
            run.kill()
            return None
    (path,) = (folder / "leaderboard" / "results").rglob("*.json")
    return Record.from_json(path.read_text())
