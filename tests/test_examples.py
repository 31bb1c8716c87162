"""The examples, as the table of examples/README.md tells of them: what is run, and the row that comes out."""

import csv
import re
import shutil
import sysconfig
import venv

import pytest

from tests.docs.snippets import ROOT, TOLERANCE, execute

EXAMPLES = ROOT / "examples"
LINE = re.compile(
    r"^\| \[(?P<name>[\w-]+)\]\(\S+\) \| .* \| `(?P<commands>.*)` \| \d+ \| (?P<clean>\S+) \| (?P<robust>\S+) \|$",
    re.MULTILINE,
)
TOLD = {line["name"]: line for line in LINE.finditer((EXAMPLES / "README.md").read_text())}
WRITTEN = [line.rstrip("/") for line in (EXAMPLES / ".gitignore").read_text().split("\n") if line[:1] not in ("", "#")]


def test_every_folder_is_in_the_table():
    assert {*TOLD} == {path.name for path in EXAMPLES.iterdir() if path.is_dir() and path.name[:1] not in "._"}


@pytest.fixture
def installing(tmp_path):
    """Variables for an environment of its own to install into, without network, that has all packages of this one."""
    venv.create(tmp_path / "env", symlinks=True)
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    (site / "others.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    path = f"{tmp_path / 'env' / 'bin'}:{sysconfig.get_path('scripts')}:/usr/bin:/bin"
    return {"PATH": path, "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"}  # "0" means that there is none


@pytest.mark.slow
@pytest.mark.parametrize("name", TOLD)
def test_an_example_does_what_is_told_of_it(name, tmp_path, request):
    told, folder = TOLD[name], tmp_path / name
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns(*WRITTEN, ".*", "__pycache__", "*.egg-info"))
    more = request.getfixturevalue("installing") if " pip install " in told["commands"] else {}

    for command in told["commands"].split(" && "):
        status, printed = execute(command, folder, **more)
        assert status == 0, printed

    with (folder / "leaderboard" / "leaderboard.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["verdict"] == "trusted"
    assert float(row["clean_percent"]) == pytest.approx(float(told["clean"]), abs=TOLERANCE)
    assert float(row["robust_percent"]) == pytest.approx(float(told["robust"]), abs=TOLERANCE)
