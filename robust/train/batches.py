"""The batches of an epoch, in an order that only the seed and the epoch's number determine."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from robust.attacks.criteria.registry import read_criterion
from robust.attacks.rng import Rng, generator_seed
from robust.attacks.task import Task
from robust.data.dataset import Samples
from robust.torchvision_compat import import_torchvision
from robust.train.plan import Plan
from robust.train.setup import TrainingSetup

Transform = Callable[[Tensor], Tensor]


def count_batches(learn: Samples, plan: Plan) -> int:
    """Return the number of batches of an epoch."""
    return -(-len(learn) // plan.batch)


def iter_batches(module: nn.Module, setup: TrainingSetup, epoch: int, skip: int = 0) -> Iterator[Task]:
    """Yield this rank's share of each batch of an epoch, from batch number `skip` on.

    Augmentation draws from the global random stream, batch after batch, on every rank for the whole batch.
    """
    learn, plan, threat, ranks = setup.learn, setup.method.plan, setup.threat, setup.ranks
    device = next(module.parameters()).device
    change, criterion = build_transform(plan, learn), read_criterion(learn.criterion)
    y, index = torch.from_numpy(learn.y), torch.from_numpy(learn.index)
    for whole in _order(learn, plan, setup.seed, epoch).split(plan.batch)[skip:]:  # type: ignore[no-untyped-call]
        if len(whole) < 2 * ranks.size <= plan.batch < len(learn):
            break  # the last: batch norm cannot learn from one sample
        rows = whole[ranks.share]
        batch = torch.from_numpy(learn.x[(rows if change is None else whole).numpy()])
        batch = batch if change is None else torch.stack([change(image) for image in batch])[ranks.share]
        batch = batch.to(device).clamp(threat.lo, threat.hi) if change is not None else batch.to(device)
        if plan.channels_last and batch.dim() == 4:
            batch = batch.contiguous(memory_format=torch.channels_last)
        rng = Rng.of(setup.seed, index[rows].to(device)).fold(epoch)
        yield Task.of(module, batch, y[rows].to(device), threat, rng, criterion)


def _order(learn: Samples, plan: Plan, seed: int, epoch: int) -> Tensor:
    """Return the rows of `learn` in the order of an epoch, (n,) int64."""
    generator = torch.Generator().manual_seed(generator_seed(seed * 1_000_003 + epoch))
    if plan.sampling == "shuffled":
        return torch.randperm(len(learn), generator=generator)
    rarity = torch.from_numpy(1 / np.bincount(learn.y)[learn.y])
    return torch.multinomial(rarity, len(learn), replacement=True, generator=generator)


def build_transform(plan: Plan, learn: Samples) -> Transform | None:
    """Return the plan's augmentation of one image, (channels, height, width), made of torchvision's v2 transforms.

    Return None if the plan has none. ValueError if the inputs are no images.
    """
    if plan.augment == "none":
        return None
    shape = learn.x.shape[1:]
    if learn.map_size:
        raise ValueError(f"augment={plan.augment} would move the images and leave their maps behind; leave it out")
    if len(shape) != 3:
        raise ValueError(f"augment={plan.augment} is for images, the inputs have the shape {list(shape)}")
    v2 = import_torchvision("torchvision.transforms.v2")
    if plan.augment == "trivial":
        trivial: Transform = v2.TrivialAugmentWide()
        return trivial
    size, pad = list(shape[1:]), max(1, shape[1] // 8)  # 4 of 32 pixels, as is usual for CIFAR-10
    crop_flip: Transform = v2.Compose([v2.RandomCrop(size, padding=pad), v2.RandomHorizontalFlip()])
    return crop_flip
