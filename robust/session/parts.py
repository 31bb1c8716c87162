"""Where adversarial inputs wait for their row: a folder for each process, named by whose session it belongs to."""

import os
import platform
import shutil
import uuid
from pathlib import Path

import psutil

from robust.attacks.text import slug
from robust.records.files import private

HOST = slug(platform.node())  # the folder may be shared by machines, which know nothing of each other's processes
OWNER = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()  # who files the row, also of a dead worker
MINE = f"{HOST}-{OWNER}-{uuid.uuid4().hex[:8]}"


def waiting(home: Path) -> Path:
    """The folder of this process; the first time those of sessions that were killed on this machine are removed."""
    parts = private(home) / "parts"
    if not (parts / MINE).exists():
        for folder in parts.glob("*-*-*"):
            host, pid, _ = folder.name.rsplit("-", 2)
            if host == HOST and pid.isdecimal() and not psutil.pid_exists(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)
    return parts / MINE
