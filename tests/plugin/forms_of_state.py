"""Forms in which modules keep a state, or a size of batch, inside: each wraps a network of the digits."""

from collections import deque
from itertools import count

import torch
from torch import nn
from torch.ao.quantization import PerChannelMinMaxObserver
from torch.utils.checkpoint import checkpoint

COUNT = count()


class Wrapped(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network


class Counter(Wrapped):
    """A buffer that counts batches; no answer depends on it."""

    def __init__(self, network):
        super().__init__(network)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        self.count += 1
        return self.network(x)


class Average(Wrapped):
    """A moving average of the inputs, written into `.data`, which no version counter sees."""

    def __init__(self, network):
        super().__init__(network)
        self.register_buffer("mean", torch.zeros(1, 8, 8))

    def forward(self, x):
        self.mean.data.lerp_(x.detach().mean(0), 0.1)
        return self.network(x)


class CodeBook(Wrapped):
    """A code book that forward learns on, as in a VQ-VAE; it is a parameter."""

    def __init__(self, network):
        super().__init__(network)
        self.codes = nn.Embedding(4, 64)

    def forward(self, x):
        self.codes.weight.data.lerp_(x.detach().flatten(1).mean(0), 0.01)
        return self.network(x)


class Observed(Wrapped):
    """An observer of torch.ao, whose buffers forward writes."""

    def __init__(self, network):
        super().__init__(network)
        self.observer = PerChannelMinMaxObserver(ch_axis=1)

    def forward(self, x):
        return self.network(self.observer(x))


class Late(Wrapped):
    """A buffer that the first forward makes."""

    def forward(self, x):
        if not hasattr(self, "scale"):
            self.register_buffer("scale", torch.ones(1, 1, 8, 8))
        return self.network(x * self.scale)


class Features(Wrapped):
    """A module that keeps its last activations, and a list of sizes."""

    def __init__(self, network):
        super().__init__(network)
        self.features, self.sizes = None, deque(maxlen=3)

    def forward(self, x):
        self.features = self.network(x)
        self.sizes.append(len(x))
        return self.features


class Squeezed(Wrapped):
    """A squeeze between layers: a batch of one loses its axis, and the next step fails."""

    def forward(self, x):
        rows = x.flatten(1).squeeze()
        return self.network(torch.nn.functional.normalize(rows + 0, dim=1, eps=1e9) * 1e9)


class Viewed(Wrapped):
    """A view to a fixed batch of 64."""

    def forward(self, x):
        return self.network(x.view(64, 1, 8, 8))


class Hidden(Wrapped):
    """A state of a fixed batch, carried from one batch to the next; the answers do not depend on it."""

    def __init__(self, network):
        super().__init__(network)
        self.lstm = nn.LSTM(8, 4, batch_first=True)
        self.hidden = (torch.zeros(1, 20, 4), torch.zeros(1, 20, 4))

    def forward(self, x):
        _, self.hidden = self.lstm(x[:, 0], self.hidden)
        return self.network(x) + 0 * self.hidden[0].sum()


class Reentrant(Wrapped):
    def forward(self, x):
        return checkpoint(self.network, x, use_reentrant=True)


class Hooked(Wrapped):
    """Backward hooks before a step in place."""

    def __init__(self, network):
        super().__init__(network)
        self.network.register_full_backward_hook(lambda *_: None)
        self.last = nn.LeakyReLU(1.0, inplace=True)

    def forward(self, x):
        return self.last(self.network(x))


SAME = {
    "counter": Counter,
    "average": Average,
    "code-book": CodeBook,
    "observer": Observed,
    "late-buffer": Late,
    "features": Features,
    "squeezed": Squeezed,
    "viewed": Viewed,
    "hidden": Hidden,
    "reentrant": Reentrant,
    "hooked": Hooked,
}

NOTES = {
    "counter": "its forward writes count, put back before each batch",
    "average": "its forward writes mean, put back before each batch",
    "code-book": "its forward writes codes.weight, put back before each batch",
    "observer": "its forward writes observer.max_val, observer.min_val, put back before each batch",
    "late-buffer": "its forward writes scale, put back before each batch",
    "features": "its forward writes features, put back before each batch",
    "squeezed": "it takes no batch below 2, so a smaller one is filled up with copies",
    "viewed": "it takes batches of 64 only, so others are cut, or filled up with copies",
    "hidden": "it takes batches of 20 only, so others are cut, or filled up with copies; its forward writes hidden",
}


class CountedIn(Counter):
    """Answers that depend on a counter."""

    def forward(self, x):
        self.count += 1
        return self.network(x) * (1 + self.count / 10)


class Centred(Wrapped):
    """A moving average that is taken from the inputs."""

    def __init__(self, network):
        super().__init__(network)
        self.register_buffer("mean", torch.zeros(1, 8, 8))

    def forward(self, x):
        self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        return self.network(x - self.mean)


class Carried(Wrapped):
    """A hidden state in an attribute, which fits one size of batch."""

    def __init__(self, network):
        super().__init__(network)
        self.h = None

    def forward(self, x):
        rows = x.flatten(1)
        self.h = rows if self.h is None else 0.5 * self.h + rows
        return self.network(self.h)


class Number(Wrapped):
    """Answers that depend on a number in an attribute."""

    def __init__(self, network):
        super().__init__(network)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.network(x) * (1 + self.calls / 10)


class Remembers(Wrapped):
    """Answers that depend on a deque of inputs."""

    def __init__(self, network):
        super().__init__(network)
        self.last = deque([torch.zeros(1, 8, 8)] * 3, maxlen=3)

    def forward(self, x):
        self.last.append(x.detach().mean(0))
        return self.network(x - sum(self.last) / 3)


class Positions(Wrapped):
    """A table as long as the batch."""

    def __init__(self, network):
        super().__init__(network)
        self.register_buffer("table", torch.linspace(0, 1, 40)[:, None, None, None])

    def forward(self, x):
        return self.network(x + self.table)


class Rows(Wrapped):
    """A table that is long enough for some batches; longer ones are refused."""

    def __init__(self, network):
        super().__init__(network)
        self.register_buffer("table", torch.zeros(40, 1, 1, 1))

    def forward(self, x):
        return self.network(x + self.table[: len(x)])


# Form -> (class, the finding of its preflight, what the finding says)
DOUBTED = {
    "counted-in": (CountedIn, "keeps-state", "count"),
    "centred": (Centred, "keeps-state", "mean"),
    "carried": (Carried, "keeps-state", "h"),
    "number": (Number, "nondeterministic", "calls"),
    "remembers": (Remembers, "nondeterministic", "last"),
    "positions": (Positions, "depends-on-batch", "in other batches"),
}


class Remade(Wrapped):
    """A module that its forward makes anew, with other weights: nobody puts it back."""

    def forward(self, x):
        self.extra = nn.Linear(1, 1)
        self.extra.weight.data.fill_(next(COUNT))
        return self.network(x)
