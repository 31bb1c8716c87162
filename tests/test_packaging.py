"""Wheel, sdist and editable install, each in an environment of its own, and in a repository with an attacks/ folder."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

# Python has tarfile's filters from 3.11.4 on, and asks for one from 3.12 on.
SAFE = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
ROOT = Path(__file__).parent.parent
TRACKED = [
    "attacks",
    "robust",
    "examples",
    "tests",
    "leaderboard",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "MANIFEST.in",
]

NET = """
from torch import nn
import attacks.mine

def make():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
"""


def call(*command, cwd):
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, env=clean)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def packages_of_the_tree():
    found = set()
    for prefix, folder in (("robust", ROOT / "robust"), ("robust.attacks", ROOT / "attacks")):
        for path in folder.rglob("__init__.py"):
            parts = path.parent.relative_to(folder).parts
            if folder.name == "attacks" or "attacks" not in parts:
                found.add(".".join((prefix, *parts)))
    return found


def test_every_package_is_listed():
    with (ROOT / "pyproject.toml").open("rb") as file:
        listed = tomllib.load(file)["tool"]["setuptools"]["packages"]

    assert listed == sorted(listed)
    assert set(listed) == packages_of_the_tree()


def test_the_symlink_that_tools_follow_is_there():
    assert (ROOT / "robust" / "attacks").resolve() == ROOT / "attacks"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the checkout, so that a build leaves nothing in it."""
    folder = tmp_path_factory.mktemp("source")
    for name in TRACKED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def dist(source):
    call(sys.executable, "-m", "build", "--no-isolation", cwd=source)
    return source / "dist"


@pytest.fixture(scope="module")
def sdist(dist):
    (path,) = dist.glob("*.tar.gz")
    return path


@pytest.fixture(scope="module")
def wheel(dist):
    (path,) = dist.glob("*.whl")
    return path


def files_of_the_tree():
    mapped = {f"robust/attacks/{p.relative_to(ROOT / 'attacks')}" for p in (ROOT / "attacks").rglob("*.py")}
    own = (p for p in (ROOT / "robust").rglob("*.py") if "attacks" not in p.relative_to(ROOT / "robust").parts)
    return mapped | {f"robust/{p.relative_to(ROOT / 'robust')}" for p in own}


SUITES = {f"robust/attacks/suites/{path.name}" for path in (ROOT / "attacks" / "suites").glob("*.toml")}


@pytest.mark.slow
def test_the_wheel_holds_each_file_once_and_the_data(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    assert len(names) == len(set(names))
    page = {"robust/report/page/page.css", "robust/report/page/page.js"}
    assert files_of_the_tree() | {"robust/py.typed", "robust/data/sets/digits.npz", *SUITES, *page} <= set(names)
    assert {name.split("/")[0] for name in names} == {"robust", wheel.name.split("-py3")[0] + ".dist-info"}


@pytest.mark.slow
def test_the_sdist_keeps_attacks_at_the_root_and_builds_the_same_wheel(sdist, wheel, tmp_path):
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, **SAFE)
    (folder,) = tmp_path.iterdir()
    assert (folder / "attacks" / "engine.py").is_file()
    assert not (folder / "robust" / "attacks" / "attacks").exists()

    call(
        sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path / "again", folder, cwd=tmp_path
    )
    (again,) = (tmp_path / "again").iterdir()
    assert sorted(zipfile.ZipFile(again).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())


@pytest.mark.slow
def test_an_index_would_take_them(sdist, wheel, tmp_path):
    told = call(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel, cwd=tmp_path)

    assert told.count("PASSED") == 2


def install(folder, *what):
    """A new environment that sees this one's other packages, with the project installed as asked; its python."""
    venv.create(folder, symlinks=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")  # a path, so this one's .pth files stay out
    pip = (sys.executable, "-m", "pip", f"--python={folder / 'bin' / 'python'}")
    flags = (
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--force-reinstall",
        "--disable-pip-version-check",
    )
    call(*pip, "install", *flags, *what, cwd=folder)
    return folder / "bin" / "python"


@pytest.fixture(scope="module", params=["wheel", "sdist", "editable"])
def python(request, tmp_path_factory, source):
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "editable":
        return install(folder, "--editable", source)
    return install(folder, request.getfixturevalue(request.param))


@pytest.fixture
def repository(tmp_path):
    """A user's repository that has an attacks/ folder of its own."""
    (tmp_path / "attacks").mkdir()
    (tmp_path / "attacks" / "__init__.py").write_text("OWNER = 'user'\n")
    (tmp_path / "attacks" / "mine.py").touch()
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "test_own.py").write_text("import attacks\n\ndef test_own(): assert attacks.OWNER == 'user'\n")
    return tmp_path


@pytest.mark.slow
def test_it_runs_in_a_repository_with_an_attacks_folder(python, repository):
    told = call(
        python,
        "-m",
        "pytest",
        "-W",
        "error",
        "-p",
        "no:benchmark",
        "--robust-model=net.py:make",
        "--robust-verdict=none",
        "--robust-samples=20",
        cwd=repository,
    )
    assert "4 passed" in told
    assert (repository / "leaderboard" / "results.csv").is_file()

    origin = call(
        python, "-c", "import robust.attacks.engine as e, robust as r; print(r.__file__, e.__file__)", cwd=repository
    )
    assert sysconfig.get_path("purelib") not in origin
    assert str(ROOT) + os.sep not in origin


@pytest.mark.slow
def test_the_console_script_and_the_entry_point_are_installed(python, tmp_path):
    from robust.attacks import ATTACKS

    assert f"attacks: {', '.join(ATTACKS.names())}\n" in call(python.with_name("robust"), "list", cwd=tmp_path)

    code = "from importlib.metadata import entry_points as e; print(e(group='pytest11')['robust'].value)"
    assert call(python, "-c", code, cwd=tmp_path).strip() == "robust.plugin"


@pytest.mark.slow
def test_the_editable_install_is_importable_from_the_checkout_and_from_elsewhere(source, tmp_path):
    python = install(tmp_path / "env", "--editable", source)
    for folder in (source, tmp_path):
        told = call(
            python,
            "-c",
            "import robust.attacks.threats.lp as t, robust.data.sets.digits as d; print(t.__file__)",
            cwd=folder,
        )
        assert Path(told.strip()).resolve() == source / "attacks" / "threats" / "lp.py"
