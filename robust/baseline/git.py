"""The commit of the code that is measured. Git is called only to save or select a baseline, and may be missing."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

SECONDS = 10  # after which git is taken to be missing


@dataclass(frozen=True, slots=True)
class Commit:
    """The commit that is checked out."""

    commit: str  # the whole hash
    dirty: bool  # whether files that git knows were changed since


def read_commit(folder: Path, written: Path | None = None) -> Commit | None:
    """Return the commit of a folder; None if there is none. What the run itself has `written` is no change."""
    head = _git(folder, "rev-parse", "--verify", "HEAD")
    if head is None or head.returncode:
        return None
    inside = written is not None and written.is_relative_to(folder)
    excluded = [f":(exclude){written.relative_to(folder).as_posix()}"] if written and inside else []
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ":/", *excluded)
    return Commit(head.stdout.strip(), changed is None or bool(changed.returncode or changed.stdout.strip()))


def precedes(commit: str, folder: Path) -> bool | None:
    """Whether the commit precedes what is checked out; None if git cannot say, as in a shallow clone."""
    done = _git(folder, "merge-base", "--is-ancestor", commit, "HEAD")
    return {0: True, 1: False}.get(done.returncode) if done else None


def _git(folder: Path, *words: str) -> "subprocess.CompletedProcess[str] | None":
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
