"""Forms in which models answer: each a function of the logits, for models of the digits, of ten classes and of two."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Pair = namedtuple("Pair", ["logits", "aux"])


@dataclass
class Answer:
    """A dataclass with a loss that is absent, as in transformers."""

    loss: Any
    logits: Tensor


class ModelOutput(OrderedDict):
    """A mapping with attributes, as transformers' ModelOutput."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


TEN = {
    "tuple": lambda z: (z, z[:, :3]),
    "list": lambda z: [z],
    "named-tuple": lambda z: Pair(z, z),
    "dict": lambda z: {"logits": z, "embedding": torch.cat([z, z], 1)},
    "dict-of-one-fit": lambda z: {"out": z, "embedding": torch.cat([z, z], 1), "name": "digits"},
    "dataclass": lambda z: Answer(None, z),
    "model-output": lambda z: ModelOutput(logits=z, hidden_states=(z[:, :4], z)),
    "nested": lambda z: ({"heads": [z[:, :4], z]},),
    "namespace": lambda z: SimpleNamespace(scores=z),
    "maps-of-one-pixel": lambda z: z[..., None, None],
    "squeezed": lambda z: z.squeeze(),
    "softmax-module": nn.Softmax(1),
    "softmax-function": lambda z: F.softmax(z, 1),
    "softmax-method": lambda z: {"probabilities": z.softmax(-1)},
    "sigmoid-module": nn.Sigmoid(),
    "log-softmax-module": nn.LogSoftmax(1),
    "log-softmax-function": lambda z: (F.log_softmax(z, dim=1), z[:, :4]),
    "log-probabilities-by-hand": lambda z: z - z.logsumexp(1, keepdim=True),
    "softmax-by-hand": lambda z: z.exp() / z.exp().sum(1, keepdim=True),
}

TWO = {
    "one-logit": lambda z: (z[:, 1] - z[:, 0])[:, None],
    "one-logit-flat": lambda z: z[:, 1] - z[:, 0],
    "one-logit-squeezed": lambda z: (z[:, 1:] - z[:, :1]).squeeze(),
    "one-logit-in-a-tuple": lambda z: ((z[:, 1:] - z[:, :1]),),
    "sigmoid-module": lambda z: nn.Sigmoid()(z[:, 1:] - z[:, :1]),
    "sigmoid-function": lambda z: torch.sigmoid(z[:, 1] - z[:, 0]),
    "two-columns": lambda z: (lambda p: torch.stack([1 - p, p], 1))(torch.sigmoid(z[:, 1] - z[:, 0])),
    "softmax-module": nn.Softmax(1),
}


class Formed(nn.Module):
    """A network whose logits go through a form."""

    def __init__(self, network: nn.Module, form: Any) -> None:
        super().__init__()
        self.network = network
        self.form = form

    def forward(self, x: Tensor) -> Any:
        return self.form(self.network(x))


REFUSED = {
    "two-tensors": lambda z: (z, 2 * z),
    "none-fits": lambda z: {"features": z[:, :3]},
    "classes": lambda z: z.argmax(1),
    "one-share": lambda z: ((z[:, 1] - z[:, 0]) / 100 + 0.5).clamp(0, 1),
}


class NeedsMask(nn.Module):
    """A network that takes a second argument."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, mask: Tensor) -> Any:
        return self.network(x * mask)
