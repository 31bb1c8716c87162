"""Ranks: the processes that torchrun started, which measure or train together. A process by itself is one of one.

Every rank runs the same program on the same samples and knows the same of each, so that all take the same turns.
They part only where one takes its share of the rows, or where the first does something for all.
"""

import datetime
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

WAIT = 1800.0  # seconds, as torch's own processes wait for each other
GRACE = 1.0  # seconds in which the first rank tells what became of another
KEPT = "what was finished is kept, and the same command goes on from there, with any number of processes"


class LostError(RuntimeError):
    """Another rank has died, or does not answer: in one line which, and what to do."""


class ElsewhereError(ValueError):
    """Another rank could not do its part: in one line which, and why."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """Which of the processes this one is. Each method but `share` is called by all of them, in the same order."""

    rank: int = 0
    size: int = 1
    local: int = 0  # which of those on this machine
    here: int = 1  # how many these are
    wait: float = WAIT  # seconds that one may keep the others waiting
    store: Any = None  # torchrun's, which outlives every rank
    gpus: Any = None  # the process group of their GPUs, where each has one of its own

    @property
    def first(self) -> bool:
        """Whether it is this one that writes and reports."""
        return self.rank == 0

    @property
    def share(self) -> slice:
        """Of rows in order those of this rank: hard ones stand together, so neighbours go to different ranks."""
        return slice(self.rank, None, self.size)

    def device(self, text: str) -> torch.device:
        """The device of that name; of several GPUs each rank of a machine has its own, unless one is named."""
        device = parse_device(text)
        if device.type != "cuda" or device.index is not None or self.size == 1:
            return device
        return torch.device("cuda", self.local % torch.cuda.device_count())

    def whole(self, part: NDArray[T]) -> NDArray[T]:  # type: ignore[type-var]
        """The rows that were shared out, from each rank's `part` of them, in order again."""
        parts = self.all(part)
        found = np.empty((sum(map(len, parts)), *part.shape[1:]), part.dtype)
        for rank, each in enumerate(parts):
            found[rank :: self.size] = each
        return found

    def all(self, value: T) -> list[T]:
        """Every rank's value."""
        if self.size == 1:
            return [value]
        found: list[T | None] = [None] * self.size
        with self._meeting():
            dist.all_gather_object(found, value)
        return found  # type: ignore[return-value]

    def agreed(self, work: Callable[[], T]) -> T:
        """What `work` returns here; where it fails on one rank it raises on all, elsewhere ElsewhereError."""
        if self.size == 1:
            return work()
        error = result = None
        try:
            result = work()
        except LostError:
            raise
        except Exception as failed:
            error = failed
        told = self.all(error and (str(error.args[0] if error.args else "") or type(error).__name__))
        if error is not None:
            raise error
        for rank, line in enumerate(told):
            if line is not None:
                raise ElsewhereError(f"rank {rank}: {line}")
        return result  # type: ignore[return-value]

    def deal(self, samples: Samples) -> Samples:
        """This rank's share of the samples."""
        return samples if self.size == 1 else samples.take(np.arange(len(samples))[self.share])

    def total(self, tensor: Tensor) -> Tensor:
        """The sum of all ranks' tensors, which are alike in shape and type."""
        if self.size == 1:
            return tensor
        found = tensor.detach().clone()
        with self._meeting():
            dist.all_reduce(found, group=self.gpus if found.is_cuda else None)
        return found

    def mean(self, tensors: Sequence[Tensor], n: int) -> None:
        """Make each of the tensors, in place, its mean over the samples of all ranks, of which this one has `n`."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.detach().flatten() for tensor in tensors])
        found = self.total(torch.cat([flat, flat.new_ones(1)]) * n)
        parts = (found[:-1] / found[-1]).split([tensor.numel() for tensor in tensors])  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for tensor, part in zip(tensors, parts, strict=True):
                tensor.copy_(part.view_as(tensor))

    def once(self, work: Callable[[], T]) -> T:
        """What `work` returns to the first rank, which alone calls it; where it fails it raises on all."""
        result = self.agreed(work if self.first else _nothing)
        if self.size == 1:
            return result  # type: ignore[return-value]
        box = [result]
        with self._meeting():
            dist.broadcast_object_list(box)
        return result if self.first else box[0]  # type: ignore[return-value]

    def inputs(self, x: NDArray[np.float32], counts: list[int]) -> NDArray[np.float32]:
        """To the first rank the inputs of all, one rank's after the other's, of so many each; to the others none."""
        if self.size == 1:
            return x
        pile, step = Spool(x.shape[1:]), max(1, PART // max(1, 4 * math.prod(x.shape[1:])))
        pieces = [(rank, k, min(k + step, n)) for rank, n in enumerate(counts) for k in range(0, n, step)]
        with self._meeting():
            for rank, start, stop in pieces:
                if rank == self.rank == 0:
                    pile.add(x[start:stop])
                elif self.first:
                    piece = torch.empty(stop - start, *x.shape[1:])
                    dist.recv(piece, rank)
                    pile.add(piece.numpy())
                elif rank == self.rank:
                    dist.send(torch.from_numpy(np.array(x[start:stop])), 0)
        return pile.array()

    def tells(self) -> bool:
        """Whether it is for this rank to tell that one was lost: the first does, unless it is the lost one itself."""
        if self.store is None:
            return True
        if not self.first:
            time.sleep(GRACE)
        try:
            return bool(self.store.add("told", 1) == 1)
        except RuntimeError:  # its machine is lost as well
            return True

    @contextmanager
    def _meeting(self) -> Iterator[None]:
        """Wait for all the ranks, then talk to them; LostError where one does not come, or leaves."""
        began = time.monotonic()
        try:
            dist.monitored_barrier(timeout=datetime.timedelta(seconds=self.wait), wait_all_ranks=True)
            yield
        except RuntimeError as error:
            named = re.search(r"Ranks? ([\d, ]+) failed to pass", str(error))
            who = f"rank {named[1] if named else self._cut_off()} of {self.size}"
            late = time.monotonic() - began >= self.wait
            what = f"has not answered for {self.wait:g} s" if late else "is gone"
            raise LostError(f"{who} {what}; {KEPT}") from error

    def _cut_off(self) -> str:
        """The ranks that this one cannot write to; the others are connected with the first alone."""
        found = [] if self.first else [0]
        for rank in range(1, self.size if self.first else 0):
            try:
                dist.isend(torch.zeros(1), rank)
            except RuntimeError:
                found.append(rank)
        return ", ".join(map(str, found)) or "?"


ALONE = Ranks()


@contextmanager
def join(wait: float = WAIT) -> Iterator[Ranks]:
    """Within, the processes that torchrun started are together; alone where it started none, or only this.

    They talk by gloo, their GPUs by nccl, and they share the machine's cores.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or not dist.is_torchelastic_launched():
        yield ALONE
        return
    local, here = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    share_cores(here)
    patience = datetime.timedelta(seconds=wait)
    store, rank, _ = next(rendezvous("env://", timeout=patience))
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=patience)
    try:
        gpus = dist.new_group(backend="nccl") if torch.cuda.device_count() >= here else None
        yield Ranks(rank, size, local, here, wait, store, gpus)
    finally:
        dist.destroy_process_group()  # left to the interpreter's end, its threads may abort that


def share_cores(processes: int) -> None:
    """Processes on one machine get an even share of the threads; all at once would be in each other's way."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes))


def _nothing() -> None:
    return None
