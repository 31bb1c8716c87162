"""Several processes that meet as torchrun's do, without its start: a server forks them, with torch imported."""

import multiprocessing
import os
import socket
import sys
import traceback
from pathlib import Path

import torch

from robust.distributed.ranks import join

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["robust.commands.evaluate", "robust.evaluation.suite_run", "robust.train.cache"])
OUTLIVED = 77  # the exit status of a process that its group's threads outlive: they may abort the interpreter's end


def together(size, work, *args, wait=60.0, forget=()):
    """Return the result of `work(ranks, *args)` in each of `size` processes; None for one that was killed.

    They have not imported the modules to forget, which the server has.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    pipes = [CONTEXT.Pipe(duplex=False) for _ in range(size)]
    rows = [(rank, size, port, wait, pipe[1], forget, work, args) for rank, pipe in enumerate(pipes)]
    children = [CONTEXT.Process(target=_child, args=row) for row in rows]
    for child in children:
        child.start()
    for _, sender in pipes:
        sender.close()
    answers = [_received(receiver) for receiver, _ in pipes]
    for child in children:
        child.join(60)
    for rank, answer in enumerate(answers):
        assert not isinstance(answer, str), f"rank {rank}: {answer}"
    assert OUTLIVED not in [child.exitcode for child in children], "threads of gloo outlive their group"
    return [answer and answer[0] for answer in answers]


def _received(receiver):
    try:
        return receiver.recv()
    except EOFError:
        return None


def _child(rank, size, port, wait, sender, forget, work, args):
    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "TORCHELASTIC_RUN_ID": "test",
    }
    for name in forget:
        sys.modules.pop(name, None)
    try:
        with join(wait) as ranks:
            torch.set_num_threads(1)
            sender.send((work(ranks, *args),))
        if any("gloo" in path.read_text() for path in Path("/proc/self/task").glob("*/comm")):  # Linux has it
            os._exit(OUTLIVED)
    except BaseException:
        sender.send(traceback.format_exc())
