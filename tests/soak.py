"""Faults, one after the other: `make soak`. After each, the same command again is whole, or says one line.

`python -m tests.soak board train` takes the parts of these names only.
What is killed, filled, cut and marked: a run that trains and files rows, a training by itself, and the board.
"""

import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from robust.cli import main
from robust.records.files import TEMPORARY
from robust.records.store import records
from tests.forks import CONTEXT, Fork, environment, fork_pytest

MOMENTS = 25  # at which each command is killed
WRITERS = 4
LIMITS = [0, *(2**k for k in range(6, 19, 2))]  # bytes that a file may have on a disk that is full
CUTS = (0.0, 0.3, 0.9)  # the shares of a file that are left of it
NET = "from torch import nn\ndef make():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
SUITE = '[[stages]]\nattack = "fgsm"\n[[stages]]\nattack = "pgd:steps=5"\n'
GIVEN = ("-p", "no:cacheprovider", "-p", "no:randomly", "--robust-only", "--robust-samples=40", "--robust-fresh=0")
RUN = (
    *GIVEN,
    "--robust-model=net.py:make",
    "--robust-train=standard:epochs=2",
    "--robust-suite=few.toml",
    "--robust-verdict=none",
)
SOUND = (0, 1)  # exit statuses of a run that is whole: a linear model may be doubted
REFUSED = 4


def pytest_run(folder: Path, *more: str, before: Callable[[], None] | None = None) -> Fork:
    """Start a run of pytest that trains, attacks and files a row; what it prints goes to out.txt."""
    with (folder / "out.txt").open("w") as out:
        return fork_pytest([*RUN, *more], folder, out, out, before)


def command(folder: Path, *words: str, before: Callable[[], None] | None = None) -> Fork:
    """Start a command of `robust` in the folder."""
    with (folder / "out.txt").open("w") as out, Path("/dev/null").open() as null:
        files = [file.fileno() for file in (null, out, out)]
        return Fork(_run_command, [*words], before, folder=folder, env=environment(), files=files)


def _run_command(words: list[str], before: Callable[[], None] | None) -> None:
    if before:
        before()
    sys.exit(main(words))


COMMANDS: dict[str, Callable[..., Fork]] = {
    "run": pytest_run,
    "train": lambda folder, **given: command(folder, "train", "net.py:make", "--recipe=pgd-at:epochs=2", **given),
    "board": lambda folder, **given: command(folder, "board", "leaderboard", **given),
}


def fresh(base: Path, filled: Path | None = None) -> Path:
    """Return a new folder with a model, or a copy of one that is filled already."""
    folder = Path(tempfile.mkdtemp(dir=base))
    if filled is not None:
        shutil.copytree(filled, folder, dirs_exist_ok=True)
    (folder / "net.py").write_text(NET)
    (folder / "few.toml").write_text(SUITE)
    return folder


def faults(folder: Path, fork: Fork, allowed: tuple[int, ...]) -> Iterator[str]:
    """Yield what is wrong after a command has ended."""
    status, out = fork.wait(600), (folder / "out.txt").read_text(errors="replace")
    if status not in allowed:
        yield f"status {status}: {out[-600:]}"
    if "Traceback" in out or "INTERNALERROR" in out:
        yield f"a traceback: {out[-600:]}"


def left(folder: Path) -> Iterator[str]:
    """Yield the temporary files that lie about."""
    yield from (f"{path} was left" for path in folder.rglob(TEMPORARY))


def rows(folder: Path) -> int:
    return len(records(folder / "leaderboard"))


def kill(base: Path, name: str, filled: Path) -> Iterator[str]:
    """Kill a command at each moment of its life; the next of its kind must be whole, and clean up."""
    start = COMMANDS[name]
    began, folder = time.monotonic(), fresh(base, filled if name == "board" else None)
    yield from faults(folder, start(folder), SOUND)
    seconds = time.monotonic() - began
    for k in range(MOMENTS):
        folder = fresh(base, filled if name == "board" else None)
        fork = start(folder)
        time.sleep(seconds * k / MOMENTS)
        fork.kill()
        fork.wait(60)
        told = (*faults(folder, start(folder), SOUND), *left(folder))
        yield from (f"killed after {k} of {MOMENTS} parts: {fault}" for fault in told)
        if name != "train" and rows(folder) < 1:
            yield f"killed after {k} of {MOMENTS} parts: the row is missing"


def fill(base: Path, name: str, filled: Path) -> Iterator[str]:
    """Let no file grow beyond a limit; that is told, and where there is room again all is whole."""
    for limit in LIMITS:
        folder = fresh(base, filled if name == "board" else None)
        fork = COMMANDS[name](folder, before=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, limit)))
        status = fork.wait(600)
        if status < 0 and -status != signal.SIGXFSZ:
            yield f"limit {limit}: ended by signal {-status}"
        out = (folder / "out.txt").read_text(errors="replace")
        if "Traceback" in out or "INTERNALERROR" in out:
            yield f"limit {limit}: a traceback: {out[-600:]}"
        yield from (
            f"limit {limit}: {fault}" for fault in (*faults(folder, COMMANDS[name](folder), SOUND), *left(folder))
        )


def write_at_once(base: Path) -> Iterator[str]:
    """Let several runs of other seeds write into one leaderboard, and the board be made meanwhile."""
    folder = fresh(base)
    forks = []
    for k in range(WRITERS):
        own = fresh(base)
        forks.append((own, pytest_run(own, f"--robust-seed={k}", f"--robust-leaderboard={folder / 'leaderboard'}")))
    for own, fork in forks:
        yield from faults(own, fork, SOUND)
    filed = len([*(folder / "leaderboard").rglob("*.json")])
    if filed < WRITERS:
        yield f"{filed} of {WRITERS} records are there"


def spoil(filled: Path, base: Path) -> Iterator[str]:
    """Cut each file of a leaderboard and of the cache, and put conflict markers into each text."""
    spoils: dict[str, Callable[[bytes], bytes]] = {f"cut to {cut}": partial(_cut, cut) for cut in CUTS}
    spoils["conflict markers"] = lambda content: b"<<<<<<< ours\n" + content + b"=======\n>>>>>>> theirs\n"
    paths = [
        path.relative_to(filled) for top in ("leaderboard", ".robust/models") for path in (filled / top).rglob("*")
    ]
    for path in sorted(path for path in paths if (filled / path).is_file() and path.name != ".gitignore"):
        for what, change in spoils.items():
            folder = fresh(base, filled)
            (folder / path).write_bytes(change((folder / path).read_bytes()))
            name = "board" if path.parts[0] == "leaderboard" else "run"
            allowed = (*SOUND, REFUSED)
            yield from (f"{path}, {what}: {fault}" for fault in faults(folder, COMMANDS[name](folder), allowed))
            shutil.rmtree(folder)


def _cut(share: float, content: bytes) -> bytes:
    return content[: int(share * len(content))]


def parts(base: Path) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield the parts and their faults, each in folders of its own."""
    filled = fresh(base)
    yield "first run", faults(filled, pytest_run(filled), SOUND)
    yield "files that are cut or marked", spoil(filled, base)
    yield "writers at once", write_at_once(base)
    for name in COMMANDS:
        yield f"{name}, killed", kill(base, name, filled)
        yield f"{name}, disk full", fill(base, name, filled)


def soak(base: Path, wanted: Sequence[str]) -> int:
    """Print the faults as they are found, and how many each part has; return how many there are."""
    total = 0
    for part, found in parts(base):
        if wanted and not part.startswith(("first", *wanted)):
            continue
        began, count = time.monotonic(), 0
        for line in found:
            count += 1
            print(f"{part}: {line}", flush=True)  # noqa: T201
        print(f"{part}: {count} faults in {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201
        total += count
    return total


if __name__ == "__main__":
    CONTEXT.set_forkserver_preload(["tests.preload"])  # importing torch takes ten times as long as a run here
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(bool(soak(Path(folder), sys.argv[1:])))
