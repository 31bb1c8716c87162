"""What memory running out looks like."""

import torch

WORDS = ("out of memory", "can't allocate memory", "not enough memory")  # CUDA's and MPS's, Linux', Windows'


def ran_out(error: BaseException) -> bool:
    """Whether memory ran out, the GPU's or the machine's."""
    told = isinstance(error, RuntimeError) and any(word in str(error) for word in WORDS)
    return told or isinstance(error, torch.OutOfMemoryError | MemoryError)
