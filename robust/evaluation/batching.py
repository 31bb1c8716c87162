"""Batches that fit into memory: their first size is estimated, and halved where memory runs out all the same."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.attacks.engine import eval_mode
from robust.attacks.task import ran_out
from robust.data.dataset import Samples

T = TypeVar("T")

MAX_BATCH = {"cpu": 250, "cuda": 1000}  # larger batches gain nothing: the caches or the GPU are full
SHARE = 0.25  # of the free memory that a batch may take
PEAK = 3.0  # a step's memory over that of the activations kept for the gradient: its gradients and copies beside them


class Batcher:
    """Gives a model its samples, batch by batch, on the device where the model is."""

    def __init__(self, size: int, device: torch.device | None = None) -> None:
        """`size` is the first batch's; a batch that does not fit is halved, and so are those after it."""
        self.size = size
        self.device = device or torch.device("cpu")

    def each(self, work: Callable[[Tensor, Tensor, Tensor], T], samples: Samples) -> list[T]:
        """`work(x, y, index)` of each batch, in order. The error stays where one sample alone does not fit."""
        done: list[T] = []
        start = 0
        while start < len(samples):
            part = slice(start, start + self.size)
            arrays = (samples.x[part], samples.y[part], samples.index[part])
            try:
                done.append(work(*(torch.from_numpy(array).to(self.device) for array in arrays)))
            except (RuntimeError, MemoryError) as error:
                if not ran_out(error) or self.size == 1:
                    raise
            else:
                start += self.size
                continue
            # Out of the `except`, where the error still holds the frames, and they the tensors.
            self.size = (min(self.size, len(samples)) + 1) // 2
            torch.cuda.empty_cache()  # nothing where there is no CUDA
        return done

    def columns(
        self, work: Callable[[Tensor, Tensor, Tensor], Sequence[Tensor] | None], samples: Samples, *types: type
    ) -> list[NDArray[Any]]:
        """`work(x, y, index)` of each batch, tensors that tell of each sample: of each an array of the type given here.

        Where it returns None nothing more is told. The arrays are made at once: small ones of each batch would lie in
        the room that the batch leaves, which would then be too small for the next, and the memory grow.
        """
        found: list[NDArray[Any]] = [np.zeros(len(samples), kind) for kind in types]
        done = 0

        def note(x: Tensor, y: Tensor, index: Tensor) -> None:
            nonlocal done
            if (told := work(x, y, index)) is not None:
                for column, values in zip(found, told, strict=True):
                    column[done : done + len(x)] = values.cpu().numpy()
                done += len(x)

        self.each(note, samples)
        return [column[:done] for column in found]


def fit_batch_size(module: nn.Module, x: NDArray[np.float32], device: torch.device, among: int = 1) -> int:
    """How many samples like `x`, (n, *shape), to attack at once, by what one keeps for its gradient.

    `among` is how many processes share the machine; each with a GPU has that to itself.
    """
    most, free = MAX_BATCH.get(device.type, MAX_BATCH["cpu"]), _free(device) / (among if device.type == "cpu" else 1)
    return max(1, min(most, int(SHARE * free / (PEAK * _kept(module, x[:1], device)))))


def _kept(module: nn.Module, x: NDArray[np.float32], device: torch.device) -> float:
    """Bytes that autograd keeps for these inputs, without the model's own parameters and buffers."""
    own = {t.untyped_storage().data_ptr() for t in (*module.parameters(), *module.buffers())}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    leaf = torch.tensor(x, device=device, requires_grad=True)
    with eval_mode(module), torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        answer: Any = module(leaf.clone())
    del answer
    return max(sum(kept.values()), x.nbytes)


def _free(device: torch.device) -> float:
    """Bytes of memory that are there to be taken."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    return float(psutil.virtual_memory().available)
