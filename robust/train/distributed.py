"""Training steps on several ranks: one gradient, averaged once a step.

DistributedDataParallel cannot take its place, since it expects one backward after one forward: here gradients are also
taken of gradients, of the inputs, and at other weights.
"""

from contextlib import AbstractContextManager, nullcontext

from torch import Tensor, nn
from torch.nn import SyncBatchNorm
from torch.nn.modules.batchnorm import _BatchNorm

from robust.attacks.rng import seeded
from robust.distributed.ranks import Ranks
from robust.train.plan import Plan
from robust.train.training import Training


def begin_on_ranks(module: nn.Module, plan: Plan, n: int, ranks: Ranks) -> nn.Module:
    """Return the module with the first rank's weights, to be trained on n samples.

    ValueError if a batch is too small for the ranks, or if the plan needs GPUs that are not there.
    """
    if ranks.size == 1:
        return module
    if min(plan.batch, n) < 2 * ranks.size:
        fault = f"a batch of {min(plan.batch, n)} is too small for {ranks.size} processes, which need two samples each"
        raise ValueError(f"{fault}; give batch, or start fewer")
    module.load_state_dict(ranks.once(module.state_dict))
    if not plan.sync_norm:
        return module
    if ranks.gpus is None:
        raise ValueError("sync_norm: batch norm over processes needs a GPU for each; leave it out")
    synced: nn.Module = SyncBatchNorm.convert_sync_batchnorm(module, ranks.gpus)  # type: ignore[no-untyped-call]
    return synced


def average_over_ranks(training: Training, loss: Tensor, n: int) -> float:
    """Average the gradients and batch norm's statistics over the whole batch, n samples of which are this rank's.

    Return the whole batch's loss.
    """
    loss, ranks = loss.detach().clone(), training.ranks
    if ranks.size > 1:
        grads = [p.grad for p in training.module.parameters() if p.grad is not None]
        ranks.mean([*grads, *running_statistics(training.module), loss], n)
    return loss.item()


def running_statistics(module: nn.Module) -> list[Tensor]:
    """Return batch norm's running means and variances, of the layers in training mode."""
    layers = [layer for layer in module.modules() if isinstance(layer, _BatchNorm) and layer.training]
    return [buffer for layer in layers for buffer in (layer.running_mean, layer.running_var) if buffer is not None]


def separate_randomness(training: Training, seed: int) -> AbstractContextManager[None]:
    """Give each rank its own global random stream within, for dropout and the like; a single process keeps its own."""
    ranks = training.ranks
    if ranks.size == 1:
        return nullcontext()
    device = next(training.module.parameters()).device
    return seeded((seed * 1_000_003 + training.step) * ranks.size + ranks.rank, [device])
