"""The devices on which models run."""

import re

import torch
from torch import nn


def parse_device(text: str) -> torch.device:
    """Return the device for "auto", "cpu", "cuda", "cuda:1" or "mps"; ValueError for other text or a missing device.

    "auto" takes CUDA or the CPU. Apple's GPUs must be named: their figures have not been compared yet.
    """
    if text == "auto":
        text = "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?|mps", text):
        raise ValueError("expected auto, cpu, cuda, cuda:1 or mps")
    device = torch.device(text)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        built = "" if torch.version.cuda else ", and this torch is built without CUDA"
        raise ValueError(f"this machine has {torch.cuda.device_count()} CUDA devices{built}; use auto or cpu")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError("this machine has no Apple GPU that torch can use; use auto or cpu")
    return device


def device_of(module: nn.Module) -> torch.device:
    """Return the device of the module's parameters; the CPU if it has none."""
    return next((p.device for p in module.parameters()), torch.device("cpu"))
