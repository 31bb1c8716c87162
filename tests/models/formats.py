"""Files of every format of a model, with the notes that loading them gives."""

import argparse
import copy
import pickle
import warnings

import torch
from safetensors.torch import save_file
from torch import nn

from robust.models.permissions import Permissions

SHAPE, CLASSES, BATCH = (1, 6, 6), 4, 5


NET = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 4))
"""


def script(net, path, change=torch.jit.script):
    """Save the module as TorchScript, without its deprecation warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(change(net), path)


def frozen(net):
    return torch.jit.freeze(torch.jit.script(net))


def traced(net, n):
    return torch.jit.trace(Rigid(net, n).eval(), torch.rand(n, *SHAPE))


class Rigid(nn.Module):
    """A network for one batch size only, as careless reshapes make it."""

    def __init__(self, net, n):
        super().__init__()
        self.net = net
        self.n = n

    def forward(self, x):
        return self.net(x.reshape(self.n, *SHAPE)).reshape(self.n, CLASSES)


def export(net, path, dim=None):
    shapes = dim and ({0: dim},)
    torch.export.save(torch.export.export(net, (torch.rand(2, *SHAPE),), dynamic_shapes=shapes), path)


def training(net):
    return {"epoch": 3, "optimizer": {"lr": 0.1}, "state_dict": net.state_dict(), "ema": net.state_dict()}


def lightning(net):
    states = {f"model.{name}": tensor for name, tensor in net.state_dict().items()}
    return {"pytorch-lightning_version": "2.5.0", "state_dict": states | {"loss.weight": torch.ones(4)}}


def averaged(net):
    return torch.optim.swa_utils.AveragedModel(net).state_dict()


def pickled(thing, path):
    path.write_bytes(pickle.dumps(thing))


def legacy(thing, path):
    torch.save(thing, path, _use_new_zipfile_serialization=False)


WEIGHTS = {
    "safetensors": (lambda net, path: save_file(net.state_dict(), path), ""),
    "torch.save": (lambda net, path: torch.save(net.state_dict(), path), ""),
    "torch.save of old": (lambda net, path: legacy(net.state_dict(), path), ""),
    "a training's state": (
        lambda net, path: torch.save(training(net), path),
        "taken from 'state_dict'; also there: ema",
    ),
    "model": (lambda net, path: torch.save({"model": net.state_dict()}, path), "taken from 'model'"),
    "a name of their own": (
        lambda net, path: torch.save({"epoch": 3, "my_net": net.state_dict(), "sgd": {"lr": 0.1}}, path),
        "taken from 'my_net'",
    ),
    "ema": (lambda net, path: torch.save({"ema": net.state_dict(), "step": 9}, path), "taken from 'ema'"),
    "DataParallel": (
        lambda net, path: torch.save(nn.DataParallel(net).state_dict(), path),
        "'module.' taken off the names",
    ),
    "DataParallel, safetensors": (
        lambda net, path: save_file(nn.DataParallel(net).state_dict(), path),
        "'module.' taken off the names",
    ),
    "torch.compile": (
        lambda net, path: torch.save(torch.compile(net, backend="eager").state_dict(), path),
        "'_orig_mod.' taken off the names",
    ),
    "torch.compile in DataParallel": (
        lambda net, path: torch.save(
            {"model": nn.DataParallel(torch.compile(net, backend="eager")).state_dict()}, path
        ),
        "taken from 'model'; '_orig_mod.' taken off the names; 'module.' taken off the names",
    ),
    "Lightning": (
        lambda net, path: torch.save(lightning(net), path),
        "taken from 'state_dict'; 'model.' taken off the names; left out: loss.weight",
    ),
    "AveragedModel": (
        lambda net, path: torch.save(averaged(net), path),
        "'module.' taken off the names; left out: n_averaged",
    ),
}


PROGRAMS = {
    "TorchScript": (script, ""),
    "TorchScript, saved while training": (lambda net, path: script(copy.deepcopy(net).train(), path), ""),
    "TorchScript, frozen": (lambda net, path: script(net, path, frozen), ""),
    "TorchScript, for one": (lambda net, path: script(net, path, lambda net: traced(net, 1)), "made for batches of 1"),
    "TorchScript, for four": (lambda net, path: script(net, path, lambda net: traced(net, 4)), "made for batches of 4"),
    "torch.export, for two": (lambda net, path: export(net, path), "made for batches of 2"),
    "torch.export, any batch": (lambda net, path: export(net, path, torch.export.Dim("n")), ""),
    "torch.export, to three": (
        lambda net, path: export(net, path, torch.export.Dim("n", max=3)),
        "made for batches of 0 to 3",
    ),
    "torch.export, from two": (
        lambda net, path: export(net, path, torch.export.Dim.AUTO),
        "made for batches of 2 or more",
    ),
    "full pickle": (torch.save, ""),
    "full pickle of old": (legacy, ""),
    "full pickle, pickled": (pickled, ""),
    "full pickle in a dict": (lambda net, path: torch.save({"model": net, "epoch": 1}, path), "taken from 'model'"),
    "state dict with a namespace": (
        lambda net, path: torch.save({"args": argparse.Namespace(lr=1), "model": net.state_dict()}, path),
        "taken from 'model'",
    ),
}


def allow(path):
    return Permissions(code=(str(path),))


def answers(module, n):
    """Return (the logits, the gradient of their first column in the input)."""
    x = torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(n), requires_grad=True)
    logits = module(x)
    return logits.detach(), torch.autograd.grad(logits[:, 0].sum(), x)[0]


def assert_same(module, net):
    for n in (1, 2, BATCH):
        for found, expected in zip(answers(module.eval(), n), answers(net, n), strict=True):
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
