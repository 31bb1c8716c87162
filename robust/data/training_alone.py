"""A data set whose test split cannot be read: all that a study may know comes from the training split."""

from dataclasses import replace

from robust.data.dataset import Dataset


def keep_to_training(dataset: Dataset) -> Dataset:
    """Return the data set with its training split in place of its test split, from which shape and classes are told."""
    read, reread = dataset.read, dataset.reread
    return replace(
        dataset,
        read=lambda split: read("train"),
        reread=reread and (lambda kind: keep_to_training(reread(kind))),
    )
