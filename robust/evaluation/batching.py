"""Batches that fit into memory: the first size is estimated, and halved whenever memory still runs out."""

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
from robust.models.weights import has_storage

T = TypeVar("T")

MAX_BATCH = {"cpu": 250, "cuda": 1000}  # larger batches are no faster
MEMORY_SHARE = 0.25  # of the free memory, for a batch
PEAK = 3.0  # peak memory of a step in units of the activations kept for the gradient; the rest is gradients and copies


class Batcher:
    """Deal samples out in batches, on the device of the model."""

    def __init__(self, size: int, device: torch.device | None = None) -> None:
        """Take the size of the first batch; a batch that does not fit is halved, and so are all later ones."""
        self.size = size
        self.device = device or torch.device("cpu")

    def each(self, work: Callable[[Tensor, Tensor, Tensor], T], samples: Samples, copies: int = 1) -> list[T]:
        """Return `work(x, y, index)` of each batch, in order; the error of one sample that does not fit is raised.

        Work that holds several copies of each sample gets so much smaller batches.
        """
        results: list[T] = []
        start = 0
        while start < len(samples):
            part = slice(start, start + self.fit(copies))
            arrays = (samples.x[part], samples.y[part], samples.index[part])
            try:
                results.append(work(*(torch.from_numpy(array).to(self.device) for array in arrays)))
            except (RuntimeError, MemoryError) as error:
                if not ran_out(error) or self.fit(copies) == 1:
                    raise
            else:
                start = part.stop
                continue
            # After the `except`: inside it the error still holds the frames, and they hold the tensors.
            self.size = (min(self.size, len(samples) * copies) + 1) // 2
            torch.cuda.empty_cache()  # does nothing without CUDA
        return results

    def fit(self, copies: int) -> int:
        """Return how many samples make a batch, if each is there in so many copies."""
        return max(1, self.size // copies)

    def columns(
        self,
        work: Callable[[Tensor, Tensor, Tensor], Sequence[Tensor] | None],
        samples: Samples,
        *types: type,
        copies: int = 1,
    ) -> list[NDArray[Any]]:
        """Join the tensors that `work(x, y, index)` returns for each batch, one value a sample, to arrays of `types`.

        The arrays end at the first batch for which `work` returns None. They are allocated before the first batch:
        small arrays of each batch would fragment the memory that the batch frees, and the memory would grow.
        """
        columns: list[NDArray[Any]] = [np.zeros(len(samples), dtype) for dtype in types]
        filled = 0

        def fill(x: Tensor, y: Tensor, index: Tensor) -> None:
            nonlocal filled
            if (parts := work(x, y, index)) is not None:
                for column, part in zip(columns, parts, strict=True):
                    column[filled : filled + len(x)] = part.cpu().numpy()
                filled += len(x)

        self.each(fill, samples, copies)
        return [column[:filled] for column in columns]


def fit_batch_size(module: nn.Module, x: NDArray[np.float32], device: torch.device, processes: int = 1) -> int:
    """Return how many samples like `x`, (n, *shape), to attack at once, from the memory of one sample's activations.

    `processes` share the CPU memory of the machine; each GPU has one process.
    """
    free = _free_bytes(device) / (processes if device.type == "cpu" else 1)
    fitting = int(MEMORY_SHARE * free / (PEAK * _activation_bytes(module, x[:1], device)))
    return max(1, min(MAX_BATCH.get(device.type, MAX_BATCH["cpu"]), fitting))


def find_fitting_size(module: nn.Module, samples: Samples, batcher: Batcher) -> int:
    """Return the largest half, quarter and so on of the size of a batch that the module takes; 0 if it takes none."""
    size = min(batcher.size, len(samples))
    while size := size // 2:
        try:
            with eval_mode(module), torch.no_grad():
                module(torch.tensor(samples.x[:size], device=batcher.device))
        except Exception:  # a user's code may raise anything
            continue
        return size
    return 0


def _activation_bytes(module: nn.Module, x: NDArray[np.float32], device: torch.device) -> float:
    """Return the bytes that autograd keeps for these inputs, without the model's parameters and buffers."""
    tensors = filter(has_storage, (*module.parameters(), *module.buffers()))
    weights = {tensor.untyped_storage().data_ptr() for tensor in tensors}
    sizes: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if has_storage(tensor) and (storage := tensor.untyped_storage()).data_ptr() not in weights:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    leaf = torch.tensor(x, device=device, requires_grad=True)
    with eval_mode(module), torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        answer: Any = module(leaf.clone())
    del answer
    return max(sum(sizes.values()), x.nbytes)


def _free_bytes(device: torch.device) -> float:
    """Return the bytes of free memory on the device."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    return float(psutil.virtual_memory().available)
