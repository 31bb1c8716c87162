"""Running a user's file: it sees no argument of pytest's, and its usage is not ours."""

import sys

import pytest

from robust.user_code import as_program, import_file, import_module

ARGPARSE = (
    "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--lr', {})\nargs = parser.parse_args()\n"
)
CLICK = "import click\n@click.command()\n@click.option('--lr', required=True)\ndef main(lr): pass\nmain()\n"


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Return what writes a file of that content, in a process with arguments of pytest."""
    monkeypatch.setattr(sys, "argv", ["pytest", "--robust-model=net.py:make", "-q"])
    monkeypatch.setattr(sys, "path", [*sys.path])

    def write(content, name="net.py"):
        (tmp_path / name).write_text(content)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    "content",
    [
        ARGPARSE.format("type=float, default=0.1") + "rate = args.lr\n",
        "import sys\nrate = 0.1 if sys.argv[1:] == [] else float(sys.argv[1])\n",
        "import argparse\nrate = 0.1\nargparse.ArgumentParser().parse_known_args()\n",
    ],
    ids=["argparse", "argv", "known"],
)
def test_a_file_that_reads_arguments_sees_none(written, content, capsys):
    path = written(content)

    assert import_file(path).rate == 0.1
    assert sys.argv[0] == "pytest"
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (ARGPARSE.format("required=True"), "the following arguments are required: --lr; "),
        ("import sys\nif len(sys.argv) < 2:\n    sys.exit('usage: net.py DATA')\n", "usage: net.py DATA; "),
        ("raise SystemExit(3)\n", "SystemExit: 3; "),
        ("import argparse, sys\nargparse.ArgumentParser().print_help()\nsys.exit(1)\n", "SystemExit: 1; "),
        (CLICK, "Missing option '--lr'"),
    ],
    ids=["argparse", "argv", "exit", "help", "click"],
)
@pytest.mark.parametrize("as_module", [False, True])
def test_one_that_wants_some_is_one_line_without_its_usage(written, content, said, as_module, capsys):
    if "click" in content:
        pytest.importorskip("click")
    path = written(content, "wants_arguments.py")

    with pytest.raises(ValueError, match=r"^(running|importing) wants_arguments") as caught:
        import_module("wants_arguments", path) if as_module else import_file(path)
    line = str(caught.value)
    assert said in line
    assert 'under if __name__ == "__main__": (wants_arguments.py, line ' in line
    assert "\n" not in line
    assert capsys.readouterr() == ("", "")


def test_what_the_file_itself_writes_goes_through(written, capsys):
    import_file(written("import sys\nsys.stderr.write('downloading')\nprint('ready')\n", "talks.py"))

    assert capsys.readouterr() == ("ready\n", "downloading")


def test_a_usage_that_ends_nothing_is_shown(capsys):
    import argparse

    with as_program("net.py"):
        argparse.ArgumentParser(prog="net.py").print_usage(sys.stderr)

    assert capsys.readouterr().err.startswith("usage: net.py")
