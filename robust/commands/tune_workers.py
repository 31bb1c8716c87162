"""The processes of `robust tune --jobs=N`: each reads the same order, and takes trials of the same journal."""

import argparse
import json
import math
import os
import subprocess
import sys
import threading
import time
from typing import Any

import torch

from robust.attacks.text import brief
from robust.commands.tune_order import Tuning, read
from robust.evaluation.time_limit import Deadline
from robust.tuning.journal import Journal
from robust.tuning.work import work

START = "from robust.commands.tune_workers import main; main()"
PREFIX = "robust tune: "
INTERRUPTED, MISTAKE = 130, 4


def run_workers(journal: Journal, args: argparse.Namespace, stop: Deadline, tuning: Tuning) -> None:
    """Train the trials that are left in parallel processes; one that is killed fails its trial, and has a successor."""
    ends = time.time() + stop.left
    order = json.dumps({**vars(args), "ends": None if math.isinf(ends) else ends})
    workers = [_start(order) for _ in range(tuning.jobs)]
    try:
        while workers:
            worker = next((worker for worker in workers if worker.poll() is not None), None)
            if worker is None:
                time.sleep(0.05)
                continue
            workers.remove(worker)
            _close(worker)
            if worker.returncode == INTERRUPTED:
                raise KeyboardInterrupt
            if worker.returncode:
                told = _describe(worker.returncode)
                if worker.returncode == MISTAKE or not journal.fail_of(worker.pid, told):
                    raise ValueError(f"a process failed outside of a trial ({told}); what it wrote is above")
                if not stop():
                    workers.append(_start(order))
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
            _close(worker)


def _close(worker: "subprocess.Popen[bytes]") -> None:
    assert worker.stdin is not None
    worker.stdin.close()


def _start(order: str) -> "subprocess.Popen[bytes]":
    """Start a process, which ends when its standard input does: so none outlives this one."""
    return subprocess.Popen([sys.executable, "-c", START, order], stdin=subprocess.PIPE)


def _describe(status: int) -> str:
    ended = f"by signal {-status}" if status < 0 else f"with status {status}"
    return f"its process ended {ended}: if memory ran out, take fewer --jobs or a smaller model"


def main() -> None:
    """Work on the order in the process's first argument."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    words: dict[str, Any] = json.loads(sys.argv[1])
    ends = words.pop("ends")
    args = argparse.Namespace(**words)
    torch.set_num_threads(max(1, torch.get_num_threads() // args.jobs))
    try:
        tuning = read(args)
        journal = Journal(tuning.folder, tuning.problem, tuning.sampler)
        stop = Deadline(math.inf if ends is None else ends - time.time())
        work(journal, tuning.trials, tuning.order.folder, stop, _say, shown=False)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except (ValueError, LookupError, OSError) as error:
        _say(str(error))
        sys.exit(MISTAKE)


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(INTERRUPTED)


def _say(line: str) -> None:
    sys.stderr.write(f"{PREFIX}{brief(line)}\n")
    sys.stderr.flush()
