"""Answers: the answers of models without an attack, computed once, and the batches that the models take."""

from dataclasses import replace

import torch
from torch import nn

from robust.attacks.fast_copy import FastCopy, make_fast_copy
from robust.data.dataset import Samples
from robust.distributed.ranks import Ranks
from robust.evaluation.attack_run import RunOptions
from robust.evaluation.batching import Batcher, find_fitting_size, fit_batch_size
from robust.evaluation.measure import CleanResult, measure_clean
from robust.evaluation.score import has_score, measure_clean_scores, split_table
from robust.models.blackbox import is_black_box
from robust.session.case import fail
from robust.session.data import RunData
from robust.session.models import Models
from robust.session.per_module import PerModule
from robust.settings.settings import Settings
from robust.user_code import describe_user_error

STEP_PASSES = 3  # of a step of an attack; the backward pass counts as two
COMPARED_SAMPLES = 64  # that a model and its cheaper copy must answer alike


class Answers:
    """The clean answers of all modules, in one process."""

    def __init__(self, settings: Settings, data: RunData, models: Models, ranks: Ranks) -> None:
        self._settings = settings
        self._data = data
        self._models = models
        self._ranks = ranks
        self._batchers: PerModule[Batcher] = PerModule()
        self._clean: PerModule[list[tuple[Samples, CleanResult]]] = PerModule()

    def get_batcher(self, module: nn.Module) -> Batcher:
        """Return what gives the module its batches."""
        return self._batchers.get(module, lambda: self._make_batcher(module))

    def _make_batcher(self, module: nn.Module) -> Batcher:
        device, size = self._models.device, self._settings.batch_size
        return Batcher(size or fit_batch_size(module, self._data.samples.x[:1], device, self._ranks.here), device)

    def shorten_batches(self, module: nn.Module, samples: Samples, seconds: float) -> float:
        """Let a step of an attack on one batch take so many seconds at most, if a smaller batch can do so.

        Returns the seconds that a pass of one sample takes.
        """
        batcher, pace = self.get_batcher(module), self.get_clean(module, samples).pace
        if STEP_PASSES * pace * batcher.size > seconds:
            batcher.size = max(1, int(seconds / (STEP_PASSES * pace)))
        return pace

    def make_fast_copy(self, module: nn.Module) -> FastCopy | None:
        """Return the cheaper copy that suites ask in the module's place; None if they ask the module itself."""
        search = self._settings.search
        x = torch.tensor(self._data.samples.x[:COMPARED_SAMPLES], device=self._models.device)
        return make_fast_copy(module, search, x) if search else None

    def get_clean(self, module: nn.Module, samples: Samples) -> CleanResult:
        """Return the module's answers to the samples without an attack."""
        results = self._clean.get(module, list)
        for measured, result in results:
            if measured is samples:
                return result
        batcher = self.get_batcher(module)
        try:
            result = measure_clean(module, samples, self._settings.seed, batcher, self._ranks)
            if has_score(samples.criterion):
                scores = measure_clean_scores(module, samples, RunOptions(batcher, ranks=self._ranks))
                score, regions = split_table(scores)
                result = replace(result, score=score, regions=regions)
        except Exception as error:  # a user's code may raise anything
            if not is_black_box(module) and (fitting := find_fitting_size(module, samples, batcher)):
                fail(
                    f"the model does not take {min(batcher.size, len(samples))} samples at once: "
                    f"{describe_user_error(error)}; it takes {fitting}: --robust-batch-size={fitting}"
                )
            raise
        results.append((samples, result))
        return result
