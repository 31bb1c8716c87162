"""What git says of the code that is measured. Asked only where a baseline is saved or chosen; no git is fine, too."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

SECONDS = 10  # after which git is taken for not there


@dataclass(frozen=True, slots=True)
class Commit:
    """What is checked out."""

    commit: str  # the whole hash
    dirty: bool  # whether files that git knows were changed since


def commit_of(folder: Path, written: Path | None = None) -> Commit | None:
    """The commit of a folder, None where there is none; what the run itself has `written` is no change."""
    head = _git(folder, "rev-parse", "--verify", "HEAD")
    if head is None or head.returncode:
        return None
    mine = written is not None and written.is_relative_to(folder)
    but = [f":(exclude){written.relative_to(folder).as_posix()}"] if written and mine else []
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ":/", *but)
    return Commit(head.stdout.strip(), changed is None or bool(changed.returncode or changed.stdout.strip()))


def precedes(commit: str, folder: Path) -> bool | None:
    """Whether what is checked out came from that commit; None where git cannot tell, as in a shallow clone."""
    done = _git(folder, "merge-base", "--is-ancestor", commit, "HEAD")
    return {0: True, 1: False}.get(done.returncode) if done else None


def _git(folder: Path, *words: str) -> "subprocess.CompletedProcess[str] | None":
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
