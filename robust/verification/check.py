"""Verify that inputs are adversarial: measure their distances again, and ask the model as it is deployed.

The model answers each input together with its clean one, in another order and in batches of another size than the
attack's. It must answer the clean input right and the other wrong there, so an effect of the batch does not pass. A
model whose answers depend on the batch by its nature, as in dynamic int8, must do so for each input alone as well.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from robust.data.lazy_inputs import LazyInputs
from robust.flags import Flags
from robust.models.judged import has_draws, judges
from robust.sampling import shuffled_rows
from robust.verification.acceptance import Judgement, judge_answers
from robust.verification.candidates import Candidates
from robust.verification.distances import Floats, check_limits
from robust.verification.random_answers import STREAM, Ask, judge_random, score_random
from robust.verification.transforms import has_theta

Faults = NDArray[np.int8]  # (n,): 0 where an input is verified, else the first thing that is wrong with it

LARGE, OUTSIDE, NOT_MADE, NOT_FINITE, ANSWERED_RIGHT, CLEAN_WRONG, RIGHT_ALONE, RIGHT_IN_BATCH = range(1, 9)
FAULT_NAMES = {
    LARGE: "larger than eps",
    OUTSIDE: "outside the data's bounds",
    NOT_MADE: "not what a theta within the limits makes of the clean input",
    NOT_FINITE: "answered with NaN or infinity",
    ANSWERED_RIGHT: "answered right",
    CLEAN_WRONG: "of a sample that is answered wrong without an attack",
    RIGHT_ALONE: "answered right alone",
    RIGHT_IN_BATCH: "answered right in another batch, and wrong alone",
}


class Verification(NamedTuple):
    """The result of checking n inputs."""

    fault: Faults
    near: Flags  # (n,): the two highest answers are so close that rounding may swap them
    undecided: Flags  # (n,): not shown to be answered wrong more often than right, nor the other way round

    @property
    def wrong(self) -> Faults:
        """The faults, but 0 also where rounding explains one, or the batch alone."""
        explained = ((self.fault >= ANSWERED_RIGHT) & self.near) | (self.fault == RIGHT_IN_BATCH)
        return np.where(explained, 0, self.fault).astype(np.int8)

    @property
    def edge(self) -> int:
        """The number of faults that rounding explains, or the batch."""
        return int(((self.fault > 0) & (self.wrong == 0)).sum())


def verify(module: nn.Module, candidates: Candidates, seed: int = 0) -> Verification:
    """Check that each candidate is allowed by the threat model and changes the model's right answer to a wrong one.

    The model answers in evaluation mode and is left as it was.
    """
    small, inside = check_limits(candidates)
    verification = check_answers(module, candidates, seed)
    verification.fault[~inside], verification.fault[~small] = OUTSIDE, LARGE
    verification.fault[~small & has_theta(candidates)] = NOT_MADE
    return verification


def check_answers(module: nn.Module, candidates: Candidates, seed: int = 0) -> Verification:
    """Check that the model answers each clean input right and each candidate wrong; distances are not checked.

    It must do so in all forms in which its answers count.
    """
    in_batch, *others = (_check_form(form, candidates, seed) for form in judges(module))
    for alone in others:
        fault = np.where(alone.fault == ANSWERED_RIGHT, RIGHT_ALONE, alone.fault)
        by_batch = (fault == 0) & (in_batch.fault >= ANSWERED_RIGHT)
        fault = np.where(by_batch, RIGHT_IN_BATCH, np.where(fault == 0, in_batch.fault, fault))
        near, undecided = in_batch.near | alone.near, in_batch.undecided | alone.undecided
        in_batch = Verification(fault.astype(np.int8), near, undecided)
    return in_batch


def _check_form(module: nn.Module, candidates: Candidates, seed: int) -> Verification:
    n = len(candidates.y)

    def take_inputs(places: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the inputs at these places in the list of all clean inputs followed by all candidates."""
        part, row = np.divmod(places, n)
        inputs = np.array(candidates.x_adv[row])
        inputs[part == 0] = candidates.x[row[part == 0]]
        return inputs

    if has_draws(module):
        return _check_random(module, candidates, seed)
    y = np.concatenate([candidates.y, candidates.y])
    judged = _check_inputs(module, take_inputs, y, candidates.batch, seed, candidates.criterion)
    finite, right, near = (flags.reshape(2, n) for flags in judged[:3])
    fault = np.zeros(n, np.int8)
    fault[right[1]], fault[~finite.all(0)], fault[finite[0] & ~right[0]] = ANSWERED_RIGHT, NOT_FINITE, CLEAN_WRONG
    return Verification(fault, np.where(fault == CLEAN_WRONG, near[0], near[1]), np.zeros(n, bool))


def _check_random(module: nn.Module, candidates: Candidates, seed: int) -> Verification:
    """Check the candidates of a model that answers at random; the clean answers were tested by the same rule."""
    judged = _check_inputs(
        module,
        lambda places: np.array(candidates.x_adv[places]),
        candidates.y,
        candidates.batch,
        seed,
        candidates.criterion,
    )
    fault = np.where(judged.finite, np.where(judged.right, ANSWERED_RIGHT, 0), NOT_FINITE)
    return Verification(fault.astype(np.int8), judged.near, judged.undecided)


def check_labels(
    module: nn.Module, x: NDArray[np.float32] | LazyInputs, y: NDArray[Any], batch: int, criterion: str = "class"
) -> tuple[Flags, Flags]:
    """Return (answered right, so close to another answer that rounding may swap them), each (n,), for inputs x."""
    checked = [_check_inputs(form, lambda places: x[places], y, batch, 0, criterion) for form in judges(module)]
    _, right, near, *_ = zip(*checked, strict=True)
    return np.logical_and.reduce(right), np.logical_or.reduce(near)


def check_scores(
    module: nn.Module, x: NDArray[np.float32] | LazyInputs, y: NDArray[Any], batch: int, criterion: str, seed: int = 0
) -> Floats:
    """Return the score of the answer to each input x by a criterion, (n, 1 + k); NaN where it is not finite.

    Of maps, k more numbers are the pixels of each class's intersection and union; of others k is 0. Of several forms in
    which the answers count, it is the score of the first, as the module is deployed. Of random answers it is the mean
    of several, drawn from the seed.
    """
    form, *_ = judges(module)
    judged = _check_inputs(form, lambda places: x[places], y, batch, seed, criterion, judge_drawn=score_random)
    scores: Floats = np.column_stack([np.where(judged.finite, judged.score, np.nan), judged.regions])
    return scores


def describe_faults(fault: Faults) -> str:
    """Return what is wrong, in words: "11 answered right, 2 larger than eps"; "" if nothing is."""
    counts = np.bincount(fault, minlength=1 + len(FAULT_NAMES))
    return ", ".join(f"{counts[kind]} {name}" for kind, name in FAULT_NAMES.items() if counts[kind])


def _check_inputs(
    module: nn.Module,
    take_inputs: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    y: NDArray[Any],
    batch: int,
    seed: int,
    criterion: str,
    judge_drawn: Callable[[str, Ask, NDArray[Any]], Judgement] = judge_random,
) -> Judgement:
    """Return the judgement, as long as y, of the answers to the inputs that `take_inputs` returns for places."""
    parts: list[Judgement] = []
    order, size, drawn = shuffled_rows(len(y), seed), batch // 2 or 2, has_draws(module)
    with _deployed(module, seed + STREAM * drawn) as device, _remembered(module) as put_back:
        for start in range(0, len(y), size):
            rows = order[start : start + size]
            x = torch.from_numpy(take_inputs(rows)).to(device)

            def ask(places: NDArray[np.int64], x: Tensor = x) -> Floats:
                put_back()
                return module(x[torch.from_numpy(places)]).float().cpu().numpy().astype(np.float64)  # type: ignore[no-any-return]

            if drawn:
                parts.append(judge_drawn(criterion, ask, y[rows]))
            else:
                parts.append(judge_answers(criterion, ask(np.arange(len(rows))), y[rows]))
    if not parts:
        none = np.zeros(0, bool)
        return Judgement(none, none, none, np.zeros(0), np.zeros((0, 0)), none)
    back = np.argsort(order)
    return Judgement(*(np.concatenate(column)[back] for column in zip(*parts, strict=True)))


@contextmanager
def _deployed(module: nn.Module, seed: int) -> Iterator[torch.device]:
    """Put the module into evaluation mode without gradients and yield its device; restore modes and random streams."""
    modes: dict[Any, bool] = {part: part.training for part in module.modules()}
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    indices = [device.index or 0] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=indices), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the model's: the run has shown them
        torch.default_generator.manual_seed(seed % 2**63)
        for index in indices:
            torch.cuda.default_generators[index].manual_seed(seed % 2**63)
        try:
            module.eval()
            yield device
        finally:
            for part, training in modes.items():
                part.training = training


@contextmanager
def _remembered(module: nn.Module) -> Iterator[Callable[[], None]]:
    """Yield a function that puts back what forwards write on the module: its tensors, also those in attributes."""
    parts = [*module.modules()]
    tables: list[dict[str, Any]] = [table for part in parts for table in (part._buffers, part._parameters, vars(part))]
    saved = [{key: value for key, value in table.items() if _is_state(value)} for table in tables]
    copies = {id(tensor): tensor.detach().clone() for values in saved for tensor in _tensors_of(values)}

    def put_back() -> None:
        for table, values in zip(tables, saved, strict=True):
            for key in [key for key, value in table.items() if key not in values and _is_state(value)]:
                del table[key]
            for key, value in values.items():
                if key in table and table[key] is not value and _is_state(table[key]):
                    table[key] = value
            for tensor in _tensors_of(values):
                if not torch.equal(tensor, copies[id(tensor)]):
                    tensor.data = copies[id(tensor)].clone()

    try:
        yield put_back
    finally:
        put_back()


def _is_state(value: object) -> bool:
    """Whether a forward may leave this behind: a tensor, a tuple of tensors, or None."""
    parts = value if isinstance(value, tuple) else (value,)
    return value is None or all(
        isinstance(part, Tensor) and part.layout == torch.strided and not hasattr(part, "__tensor_flatten__")
        for part in parts
    )


def _tensors_of(values: dict[str, Any]) -> Iterator[Tensor]:
    for value in values.values():
        yield from value if isinstance(value, tuple) else [] if value is None else [value]
