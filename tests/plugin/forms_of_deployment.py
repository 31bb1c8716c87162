"""Forms in which people export, share, prune or wrap a network: each a function from the network to what is loaded."""

import contextlib
import io
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

X = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))


class Within(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Any:
        return self.network(x)


class Dropped(Within):
    """A network with dropout, which evaluation mode turns off."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(self.dropout(x))


def exported(net: nn.Module) -> nn.Module:
    """Return the module of a program that torch.export made for batches of any size."""
    batch = torch.export.Dim("batch", min=1, max=4096)
    return torch.export.export(net.eval(), (X,), dynamic_shapes=({0: batch},)).module()


def exported_fixed(net: nn.Module) -> nn.Module:
    """Return the module of a program for batches of one."""
    return torch.export.export(net.eval(), (X[:1],)).module()


def exported_saved(net: nn.Module) -> nn.Module:
    file = io.BytesIO()
    batch = torch.export.Dim("batch", min=1, max=4096)
    torch.export.save(torch.export.export(Dropped(net).eval(), (X,), dynamic_shapes=({0: batch},)), file)
    file.seek(0)
    return torch.export.load(file).module()


def exported_training(net: nn.Module) -> nn.Module:
    """Return a program that was exported in training mode: its dropout is part of the graph."""
    batch = torch.export.Dim("batch", min=1, max=4096)
    return torch.export.export(Dropped(net).train(), (X,), dynamic_shapes=({0: batch},)).module()


def scripted(net: nn.Module) -> nn.Module:
    return torch.jit.script(Dropped(net))


def traced(net: nn.Module) -> nn.Module:
    return torch.jit.trace(Dropped(net).eval(), X)


def frozen(net: nn.Module) -> nn.Module:
    """Return a scripted module whose parameters are constants of its graph."""
    return torch.jit.freeze(torch.jit.script(Dropped(net).eval()))


def optimised(net: nn.Module) -> nn.Module:
    return torch.jit.optimize_for_inference(torch.jit.script(Dropped(net).eval()))


class ChannelsLast(Within):
    def forward(self, x: Tensor) -> Tensor:
        return self.network(x.contiguous(memory_format=torch.channels_last))


class Functional(Within):
    """A network whose parameters are in a dictionary, and given to each call."""

    def __init__(self, network: nn.Module) -> None:
        nn.Module.__init__(self)
        self.weights = {name: value.detach() for name, value in network.state_dict().items()}
        self.call: Callable[[Tensor], Tensor] = lambda x: torch.func.functional_call(network, self.weights, (x,))

    def forward(self, x: Tensor) -> Tensor:
        return self.call(x)


class Ensemble(Within):
    """Two copies of a network, called by torch.vmap over stacked parameters."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.weights, self.buffers_ = torch.func.stack_module_state([network, network])

    def forward(self, x: Tensor) -> Tensor:
        def call(weights: Any, buffers: Any, x: Tensor) -> Tensor:
            return torch.func.functional_call(self.network, (weights, buffers), (x,))

        return torch.vmap(call, in_dims=(0, 0, None))(self.weights, self.buffers_, x).mean(0)


def lazy(net: nn.Module) -> nn.Module:
    """Return a network whose last layer is told its inputs by the first batch."""
    last = nn.LazyLinear(10)
    made = nn.Sequential(nn.Flatten(), last)

    def fill(*_: Any) -> None:
        if not isinstance(last.weight, nn.parameter.UninitializedParameter):
            last.load_state_dict(net[-1].state_dict())

    last.register_forward_pre_hook(fill)
    return made


def with_spectral_norm(net: nn.Module) -> nn.Module:
    """Return the network with a spectral norm that its own scale undoes; in training mode it writes its vectors."""
    size = float(torch.linalg.matrix_norm(net[-1].weight.detach(), 2))
    parametrizations.spectral_norm(net[-1], n_power_iterations=500)
    return nn.Sequential(net, Scale(size, net[-1].bias.detach().clone()))


class Scale(nn.Module):
    def __init__(self, size: float, bias: Tensor) -> None:
        super().__init__()
        self.size, self.register = size, self.register_buffer("bias", bias)

    def forward(self, z: Tensor) -> Tensor:
        return (z - self.bias) * self.size + self.bias


def old_spectral_norm(net: nn.Module) -> nn.Module:
    last = net[-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.nn.utils.spectral_norm(last)
    size = last.weight_u @ last.weight_orig.detach() @ last.weight_v
    return nn.Sequential(net, Scale(float(size), last.bias.detach().clone()))


def old_weight_norm(net: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.nn.utils.weight_norm(net[-1])
    return net


def with_weight_norm(net: nn.Module) -> nn.Module:
    parametrizations.weight_norm(net[-1])
    return net


def pruned(net: nn.Module) -> nn.Module:
    prune.l1_unstructured(net[-1], "weight", amount=0.0)
    return net


class Tied(Within):
    """A network with a second layer of the same parameter, transposed, whose share of the answer is 0."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.decoder = nn.Linear(10, 64, bias=False)
        self.decoder.weight = nn.Parameter(network[-1].weight.detach().T)
        network[-1].weight = self.decoder.weight
        network[-1].forward = lambda x: nn.functional.linear(x, self.decoder.weight.T, network[-1].bias)


class Drawing(Within):
    """A network that holds a generator, and draws from it what it does not use."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.generator = torch.Generator().manual_seed(0)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x) + 0 * torch.rand(1, generator=self.generator)


class Smoothed(Within):
    """A network that adds noise from its own generator, which no seed of the run resets."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.generator = torch.Generator().manual_seed(0)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x + 0.3 * torch.randn(x.shape, generator=self.generator))


class Inference(Within):
    """A forward in inference mode, through which no gradient leads."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.inference_mode():
            return self.network(x)


class NoGrad(Within):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self.network(x)


class DoubleByDefault(Within):
    """A forward that sets torch's default type, and does not set it back."""

    def forward(self, x: Tensor) -> Tensor:
        torch.set_default_dtype(torch.float64)
        return self.network(x) + torch.zeros(10).float()


class DeterministicOnly(Within):
    """A forward that sets options of the whole process."""

    def forward(self, x: Tensor) -> Tensor:
        torch.manual_seed(0)
        torch.set_grad_enabled(torch.is_grad_enabled())
        return self.network(x)


class OnCpu(Within):
    """A forward that answers in another type and on the CPU, as servers do."""

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x).double().cpu()


class Requires(Within):
    """A forward that asks for a gradient of its own within, as some explainers and defences do."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            z = x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.network(z).sum(), z)
        return self.network(x) + 0 * slope.sum()


class Slots(Within):
    """A module with an attribute that cannot be copied or pickled."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.file = io.StringIO()
        self.lines = (line for line in ())
        self.context = contextlib.nullcontext()


def program(net: nn.Module) -> Any:
    """Return a program of torch.export itself."""
    batch = torch.export.Dim("batch", min=1, max=4096)
    return torch.export.export(net.eval(), (X,), dynamic_shapes=({0: batch},))


def parallel(net: nn.Module) -> nn.Module:
    return nn.DataParallel(net)


DEPLOYED = {
    "exported": exported,
    "exported-fixed": exported_fixed,
    "exported-saved": exported_saved,
    "program": program,
    "scripted": scripted,
    "traced": traced,
    "frozen": frozen,
    "optimised": optimised,
    "channels-last": lambda net: ChannelsLast(net.to(memory_format=torch.channels_last)),
    "functional": Functional,
    "ensemble": Ensemble,
    "parallel": parallel,
    "lazy": lazy,
    "spectral-norm": with_spectral_norm,
    "old-spectral-norm": old_spectral_norm,
    "weight-norm": with_weight_norm,
    "old-weight-norm": old_weight_norm,
    "pruned": pruned,
    "tied": Tied,
    "drawing": Drawing,
    "default-double": DoubleByDefault,
    "seeding": DeterministicOnly,
    "other-type": OnCpu,
    "own-gradient": Requires,
    "unpicklable": Slots,
}
JUDGED = {
    "inference": Inference,
    "no-grad": NoGrad,
    "smoothed": Smoothed,
    "exported-training": exported_training,
}
