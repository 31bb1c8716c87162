"""Processes that train: forks of a server that has imported torch, since the imports take longer than the training."""

from multiprocessing import get_context

CONTEXT = get_context("forkserver")
# An optimiser imports torch._dynamo at its first step. All tests of a session share one server; a module that does not
# exist is left out.
CONTEXT.set_forkserver_preload(["tests.preload", "robust.train.cache", "torch._dynamo", "pytest"])
