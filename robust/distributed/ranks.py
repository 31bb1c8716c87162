"""Ranks: the processes that torchrun started, which measure or train together. A single process is one rank of one.

Every rank runs the same program on the same samples with the same state, so all take the same branches. They differ
only in their share of the rows, and in what the first rank does for all.
"""

import datetime
import importlib
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from robust.data.dataset import Samples
from robust.data.lazy_inputs import PART
from robust.data.spool import Spool
from robust.device import parse_device

T = TypeVar("T")

WAIT = 1800.0  # seconds, the default of torch.distributed
GRACE = 1.0  # seconds for the first rank to report a lost one
RESUME = "what was finished is kept, and the same command goes on from there, with any number of processes"


class LostError(RuntimeError):
    """Another rank has died or does not answer; the message says in one line which, and what to do."""


class ElsewhereError(ValueError):
    """Another rank failed; the message says in one line which, and why."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among all. Every rank must call the methods in the same order, except properties."""

    rank: int = 0
    size: int = 1
    local: int = 0  # rank on this machine
    here: int = 1  # number of ranks on this machine
    wait: float = WAIT  # seconds that one may keep the others waiting
    store: Any = None  # of torchrun; it outlives every rank
    gpus: Any = None  # the process group of the GPUs, if each rank has one

    @property
    def first(self) -> bool:
        """Whether this is the rank that writes and reports."""
        return self.rank == 0

    @property
    def share(self) -> slice:
        """The rows of this rank: every size-th one, since rows of similar difficulty are neighbours."""
        return slice(self.rank, None, self.size)

    def device(self, text: str) -> torch.device:
        """Return the device of that name; "cuda" is a different GPU for each rank of a machine."""
        device = parse_device(text)
        if device.type != "cuda" or device.index is not None or self.size == 1:
            return device
        return torch.device("cuda", self.local % torch.cuda.device_count())

    def whole(self, part: NDArray[T]) -> NDArray[T]:  # type: ignore[type-var]
        """Join the parts of all ranks, as `share` split them, to all rows in order."""
        parts = self.all(part)
        rows = np.empty((sum(map(len, parts)), *part.shape[1:]), part.dtype)
        for rank, values in enumerate(parts):
            rows[rank :: self.size] = values
        return rows

    def all(self, value: T) -> list[T]:
        """Return the values of all ranks."""
        if self.size == 1:
            return [value]
        values: list[T | None] = [None] * self.size
        with self._meeting():
            dist.all_gather_object(values, value)
        return values  # type: ignore[return-value]

    def agree(self, work: Callable[[], T]) -> T:
        """Return the result of `work` on this rank; if it fails on one rank, raise on all: ElsewhereError on others."""
        if self.size == 1:
            return work()
        error = result = None
        try:
            result = work()
        except LostError:
            raise
        except Exception as raised:
            error = raised
        messages = self.all(error and (str(error.args[0] if error.args else "") or type(error).__name__))
        if error is not None:
            raise error
        for rank, message in enumerate(messages):
            if message is not None:
                raise ElsewhereError(f"rank {rank}: {message}")
        return result  # type: ignore[return-value]

    def deal(self, samples: Samples) -> Samples:
        """Return this rank's share of the samples."""
        return samples if self.size == 1 else samples.take(np.arange(len(samples))[self.share])

    def total(self, tensor: Tensor) -> Tensor:
        """Return the sum of the tensors of all ranks, which have the same shape and type."""
        if self.size == 1:
            return tensor
        total = tensor.detach().clone()
        with self._meeting():
            dist.all_reduce(total, group=self.gpus if total.is_cuda else None)
        return total

    def mean(self, tensors: Sequence[Tensor], n: int) -> None:
        """Replace each tensor, in place, by its mean over the samples of all ranks; this rank has `n` samples."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.detach().flatten() for tensor in tensors])
        totals = self.total(torch.cat([flat, flat.new_ones(1)]) * n)
        parts = (totals[:-1] / totals[-1]).split([tensor.numel() for tensor in tensors])  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for tensor, part in zip(tensors, parts, strict=True):
                tensor.copy_(part.view_as(tensor))

    def once(self, work: Callable[[], T]) -> T:
        """Call `work` on the first rank only and return its result on all; if it fails, raise on all."""
        result = self.agree(work if self.first else _nothing)
        if self.size == 1:
            return result  # type: ignore[return-value]
        box = [result]
        with self._meeting():
            dist.broadcast_object_list(box)
        return result if self.first else box[0]  # type: ignore[return-value]

    def inputs(self, x: NDArray[np.float32], counts: list[int]) -> NDArray[np.float32]:
        """Return the inputs of all ranks, `counts` of each, in the order of ranks; on others than the first none."""
        if self.size == 1:
            return x
        spool, step = Spool(x.shape[1:]), max(1, PART // max(1, 4 * math.prod(x.shape[1:])))
        pieces = [(rank, k, min(k + step, n)) for rank, n in enumerate(counts) for k in range(0, n, step)]
        with self._meeting():
            for rank, start, stop in pieces:
                if rank == self.rank == 0:
                    spool.add(x[start:stop])
                elif self.first:
                    piece = torch.empty(stop - start, *x.shape[1:])
                    dist.recv(piece, rank)
                    spool.add(piece.numpy())
                elif rank == self.rank:
                    dist.send(torch.from_numpy(np.array(x[start:stop])), 0)
        return spool.array()

    def claim_report(self) -> bool:
        """Return whether this rank should report a lost one: the first rank to ask, usually rank 0, gets True."""
        if self.store is None:
            return True
        if not self.first:
            time.sleep(GRACE)
        try:
            return bool(self.store.add("reported", 1) == 1)
        except RuntimeError:  # its machine is lost as well
            return True

    @contextmanager
    def _meeting(self) -> Iterator[None]:
        """Wait for all ranks before the block; LostError if one does not come, or leaves during the block."""
        began = time.monotonic()
        try:
            dist.monitored_barrier(timeout=datetime.timedelta(seconds=self.wait), wait_all_ranks=True)
            yield
        except RuntimeError as error:
            match = re.search(r"Ranks? ([\d, ]+) failed to pass", str(error))
            who = f"rank {match[1] if match else self._unreachable()} of {self.size}"
            late = time.monotonic() - began >= self.wait
            what = f"has not answered for {self.wait:g} s" if late else "is gone"
            raise LostError(f"{who} {what}; {RESUME}") from error

    def _unreachable(self) -> str:
        """Return the ranks that this one cannot write to; only the first is connected with all."""
        lost = [] if self.first else [0]
        for rank in range(1, self.size if self.first else 0):
            try:
                dist.isend(torch.zeros(1), rank)
            except RuntimeError:
                lost.append(rank)
        return ", ".join(map(str, lost)) or "?"


ALONE = Ranks()


@contextmanager
def join(wait: float = WAIT) -> Iterator[Ranks]:
    """Connect the processes that torchrun started for the block; yield ALONE if it started none, or only this one.

    They communicate by gloo, their GPUs by nccl, and share the cores of the machine.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or not dist.is_torchelastic_launched():
        yield ALONE
        return
    local, here = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    share_cores(here)
    timeout = datetime.timedelta(seconds=wait)
    # The functions of this module keep the group that is the default when it is imported, which is otherwise at an
    # optimiser's first step. With the group its threads would live on, and one that frees a Python tensor while the
    # interpreter ends aborts the process.
    importlib.import_module("torch.distributed.nn.functional")
    store, rank, _ = next(rendezvous("env://", timeout=timeout))
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=timeout)
    try:
        gpus = dist.new_group(backend="nccl") if torch.cuda.device_count() >= here else None
        yield Ranks(rank, size, local, here, wait, store, gpus)
    finally:
        dist.destroy_process_group()


def share_cores(processes: int) -> None:
    """Give each process on this machine an even share of the threads; with all threads each, they slow each other."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes))


def _nothing() -> None:
    return None
