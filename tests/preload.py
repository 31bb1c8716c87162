"""Import what runs of pytest import; the server of tests/forks.py does so once, before it forks."""

import gc
import importlib
import pkgutil
import sys

import torch

import robust

torch.set_num_threads(1)  # a pool of threads does not survive a fork
for name in (
    "asyncio",
    "captum.attr",
    "pandas",
    "rich.progress",
    "rich.table",
    "scipy.stats",
    "torch._dynamo",
    "xdist.remote",
):
    importlib.import_module(name)
for found in pkgutil.walk_packages(robust.__path__, "robust."):
    importlib.import_module(found.name)

# As in tests/plugin/conftest.py: a fresh process for each row would import torch again.
sys.modules["robust.settings.read"].FRESH = 0

gc.freeze()  # to look through all that again would copy it into every fork
