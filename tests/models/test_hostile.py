"""Hostile files: none runs code, each is refused in one line, and memory stays bounded."""

import json
import os
import subprocess
import sys

import pytest

from tests.models.hostile import ABSURD, HOSTILE, detonate

GIGABYTE = 2**30

# One process for all, since importing torch is what takes the time. It prints, as JSON, what each run said, and the
# most memory that it ever had.
ATTEMPTS = """
import contextlib, gc, io, json, pathlib, resource, sys
import pytest, torch

gc.freeze()  # each run ends with a garbage collection, and imports most of what there is to look through
results = {}
for path in sorted(pathlib.Path("hostile").iterdir()):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        args = [f"--robust-model={path}", "--robust-arch=zoo:mlp", "--robust-only", "-p", "no:cacheprovider"]
        code = int(pytest.main(args))
    results[path.name] = [code, out.getvalue(), err.getvalue()]
status = pathlib.Path("/proc/self/status")
if status.exists():  # Linux counts what the parent held before this program was its own into ru_maxrss
    (peak,) = (1024 * int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps([results, peak]))
"""

NAMES = {"torch.save": "=cmd|' <b>x<b> [x](x) \x1b[2J.pt"}  # spreadsheets, HTML, Markdown, terminals


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.filterwarnings("ignore")
def test_each_of_the_files_does_harm_to_a_naive_loader(tmp_path, name):
    marker, path = tmp_path / "marker", tmp_path / "file"
    path.write_bytes(HOSTILE[name](marker))

    detonate(path)

    assert marker.exists()


@pytest.fixture
def attempts(tmp_path):
    """Return (the exit status and the output for each file, the peak memory)."""
    (tmp_path / "hostile").mkdir()
    for k, (name, write) in enumerate(HOSTILE.items()):
        path = tmp_path / "hostile" / NAMES.get(name, name)
        path.write_bytes(write(tmp_path / f"marker {k}"))
    for name, write in ABSURD.items():
        (tmp_path / "hostile" / name).write_bytes(write())
    bare = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "robust.plugin"}
    done = subprocess.run([sys.executable, "-c", ATTEMPTS], cwd=tmp_path, capture_output=True, text=True, env=bare)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_hostile_files_are_refused_in_one_line_and_run_nothing(attempts, tmp_path):
    results, peak = attempts

    assert len(results) == len(HOSTILE) + len(ABSURD)
    assert len(HOSTILE) >= 20
    for name, (code, out, err) in results.items():
        lines = err.splitlines()
        assert code == pytest.ExitCode.USAGE_ERROR, name
        assert [line.startswith("ERROR: --robust-model=hostile/") for line in lines if line] == [True], (name, err)
        assert all(line.isprintable() for line in lines), name
        assert "Traceback" not in out + err, name
        assert len(err) < 1000, name
    assert not [*tmp_path.glob("marker*")]
    assert peak < GIGABYTE
