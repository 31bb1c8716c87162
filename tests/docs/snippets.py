"""Find the fenced blocks of a page and run them, in the order of the page and in a folder of its own.

- `console`: the lines after `$ ` are run, and the lines after that are compared with the output. `...` matches
  anything, and on a line of its own any lines; a number may differ by TOLERANCE, since other processors add up in
  another order.
- `sh`: every command is run, and must exit with 0.
- A block whose first line is a comment with the name of a file, as `# net.py`, is that file. Other `python` is run, in
  one namespace per page, which has a `model`, inputs `x` and labels `y`; other `toml` is parsed.

Comments on the line before a block, which no reader sees, are `<!-- not run: REASON -->`, and `<!-- exit: 1 -->` for
the exit status of its last command. `<!-- here: examples, LICENSE as licence.txt -->` puts these files of the
repository into the folder of the page.
"""

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import robust.cli
from tests.forks import Fork

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUNNABLE = ("console", "sh", "python", "toml", "ini", "yaml")

FENCE = re.compile(
    r"(?P<comments>(?:^[ ]*<!--[^\n]*-->\n)*)^(?P<indent>[ ]*)```(?P<kind>\w+)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
FORKED = re.compile(r"(pytest|robust|python \w+\.py)( |$)")
FILE = re.compile(r"# ([\w./-]+\.\w+)\n")
NUMBER = re.compile(r"(?<![\w.-])\d[\d,]*(?:\.\d+)?(?!\w)")
TOLERANCE = 5.0  # training amplifies the last bit of a sum, and other processors add up in another order


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page."""

    line: int
    kind: str
    text: str
    reason: str  # why it is not run; "" if it is run
    status: int  # the exit status of its last command

    @property
    def file(self) -> str:
        """Return the name of the file that the block is, or ""."""
        found = FILE.match(self.text)
        return found[1] if found and self.kind not in ("console", "sh") else ""


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page in the RUNNABLE languages."""
    found = []
    for fence in FENCE.finditer(page):
        if fence["kind"] not in RUNNABLE:
            continue
        notes = dict(re.findall(r"<!-- ([\w ]+): (.*?) -->", fence["comments"]))
        text = re.sub(rf"^{fence['indent']}", "", fence["text"], flags=re.MULTILINE)
        line = page.count("\n", 0, fence.start("kind")) + 1
        found.append(Block(line, fence["kind"], text, notes.get("not run", ""), int(notes.get("exit", 0))))
    return found


def linked(page: str, folder: Path) -> None:
    """Put the files that the `here` comments name into the folder; files are copied, since a page may change them."""
    for words in re.findall(r"<!-- here: (.*?) -->", page):
        for word in words.split(", "):
            name, _, other = word.partition(" as ")
            source, place = ROOT / name, folder / (other or name)
            shutil.copy(source, place) if source.is_file() else place.symlink_to(source)


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """Yield (command, expected output); the output of `sh` is not compared."""
    if block.kind == "sh":
        lines = block.text.replace("\\\n", "").split("\n")
        yield from ((line, "...\n") for line in lines if line.strip() and not line.startswith("#"))
        return
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, printed = re.sub(r"\\\n(> )?", "", part).partition("\n")
        yield command, printed


def run(block: Block, folder: Path, names: dict[str, Any]) -> None:
    """Run a block; AssertionError, or the error of the block, if it does not do what the page says."""
    if block.file:
        path = folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
    elif block.kind == "python":
        with pytest.MonkeyPatch.context() as patched:
            patched.syspath_prepend(folder)
            exec(compile(block.text, f"line {block.line}", "exec"), names)
    elif block.kind == "toml":
        tomllib.loads(block.text)
    else:
        told = [*commands(block)]
        for k, (command, expected) in enumerate(told):
            status, printed = execute(command, folder)
            wanted = block.status if k == len(told) - 1 else 0
            assert status == wanted, f"line {block.line}: {command}\nexit status {status}, expected {wanted}\n{printed}"
            assert agrees(expected, printed), f"line {block.line}: {command}\nexpected:\n{expected}\ngot:\n{printed}"


def execute(command: str, folder: Path, **more: str) -> tuple[int, str]:
    """Return (exit status, output) as on a terminal of 80 columns; `more` are variables of the environment.

    `pytest`, `robust` and scripts are forked from a process that has imported torch: the import takes half the time.
    """
    known = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "CI"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{known['PATH']}"
    # A fresh process for each row would take most of the rest; what is forked has imported this module's packages.
    told = {
        "PATH": path,
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "80",
        "PYTEST_ADDOPTS": "--robust-fresh=0 -W 'ignore:Module already imported'",
        **more,
    }
    with tempfile.TemporaryFile("w+") as out:
        if FORKED.match(command) and "$(" not in command:
            with Path(os.devnull).open() as null:
                files = (null.fileno(), out.fileno(), out.fileno())
                status = Fork(_door, shlex.split(command), folder=folder, env=known | told, files=files).wait()
        else:
            shell = ["bash", "-c", command]
            status = subprocess.run(shell, cwd=folder, env=known | told, stdout=out, stderr=out, check=False).returncode
        out.seek(0)
        return status or 0, out.read()


def _door(words: list[str]) -> None:
    """Do in this process what the console scripts do."""
    sys.argv = words
    if words[0] == "python":
        sys.path.insert(0, str(Path.cwd()))
        runpy.run_path(words[1], run_name="__main__")
        sys.exit()
    if words[0] == "pytest":
        sys.exit(pytest.console_main())
    sys.exit(robust.cli.main())


def agrees(expected: str, printed: str) -> bool:
    """Whether the output is what a page says."""
    numbers: list[float] = []
    pattern = "".join(_line(line, numbers) for line in expected.rstrip("\n").split("\n")) if expected.strip() else ""
    printed = re.sub(r"(\ds) \(\d+:\d\d:\d\d\)", r"\1", printed)  # pytest adds this if a run takes over a minute
    found = re.fullmatch(pattern, printed.rstrip() + "\n" if printed.strip() else "")
    return found is not None and all(
        abs(float(text.replace(",", "")) - number) <= max(TOLERANCE, number / 20)
        for text, number in zip(found.groups(), numbers, strict=True)
    )


def _line(line: str, numbers: list[float]) -> str:
    """Return the pattern for a line; its numbers are groups, and are appended to `numbers`."""
    if line.strip() == "...":
        return r"(?:[^\n]*\n)*?"
    pattern, at = "", 0
    for number in NUMBER.finditer(line):
        numbers.append(float(number[0].replace(",", "")))
        pattern += _words(line[at : number.start()]) + r"(\d[\d,]*(?:\.\d+)?)"
        at = number.end()
    return pattern + _words(line[at:]).removesuffix(" +") + r" *\n"


def _words(text: str) -> str:
    """Return a literal pattern, in which blanks and rules have any length, and `...` matches anything."""
    return r"[^\n]*?".join(re.sub(r"(?:\\ )+|={3,}|_{3,}", _run, re.escape(part)) for part in text.split("..."))


def _run(found: re.Match[str]) -> str:
    return f"{found[0][-1]}+"
