"""State that a forward writes on its own module, in buffers, parameters and attributes: it is put back here.

A model that is measured answers each batch as it was loaded: a counter, a moving average or a hidden state must not
carry from one batch to the next. What was once seen to be written is marked on its module, and is from then on put back
before each forward; all else is compared, and put back, at the end of a block.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

MARK = "_robust_written"  # an attribute of a module: the names of its tensors that its forward writes
INTERNAL = {*vars(nn.Module()), MARK}
ABSENT = object()
LISTED = 4  # names
WATCHED_ITEMS = 1000  # of a container, whose items are compared


class _Kept(NamedTuple):
    """A value, and copies of its tensors."""

    owner: nn.Module
    key: str
    name: str
    value: Any
    copies: list[Tensor]


class State:
    """The tensors of a module that its forward may write, as they were when this was made.

    They are the buffers, and the attributes that are a tensor, a tuple of tensors, or None; and the parameters, if that
    is asked for, or if they are known to be written. Numbers and containers are only watched: people count in them.
    """

    def __init__(self, module: nn.Module, *, parameters: bool = False) -> None:
        self._module = module
        self._kept = {
            (id(owner), key): _Kept(owner, key, name, value, [t.detach().clone() for t in _tensors(value)])
            for owner, key, name, value in _slots(module, parameters=parameters)
        }
        self._watched = {(id(owner), key): _describe(value) for owner, key, _, value in _attributes(module)}

    @property
    def known(self) -> bool:
        """Whether something on the module is known to be written."""
        return any(kept.key in _marks(kept.owner) for kept in self._kept.values())

    def restore(self, *, known: bool = False) -> list[str]:
        """Put back what was written, or only what is known to be; return the names of what had changed, and mark it."""
        changed = [kept for kept in self._kept.values() if not known or kept.key in _marks(kept.owner)]
        changed = [kept for kept in changed if _put_back(kept, fresh=known)]
        changed += self._remove_new()
        for kept in changed:
            vars(kept.owner).setdefault(MARK, set()).add(kept.key)
        return [kept.name for kept in changed]

    def list_counted(self) -> list[str]:
        """List the numbers and containers among the attributes that have changed."""
        now = [
            (name, self._watched.get((id(owner), key)), value) for owner, key, name, value in _attributes(self._module)
        ]
        return [name for name, before, value in now if before != _describe(value)]

    def _remove_new(self) -> list[_Kept]:
        """Remove tensors that were not there; return them."""
        slots = [slot for slot in _slots(self._module, parameters=False) if (id(slot[0]), slot[1]) not in self._kept]
        new = [_Kept(*slot, []) for slot in slots if _tensors(slot[3])]
        for kept in new:
            delattr(kept.owner, kept.key)
        return new


_active: list[State] = []  # of the blocks that run


@contextmanager
def kept(module: nn.Module) -> Iterator[None]:
    """Leave the module as it was before the block, which calls it."""
    restore_known()
    state = State(module)
    _active.append(state)
    hooked = state.known and not isinstance(module, torch.jit.ScriptModule)  # which takes no hooks
    hook = module.register_forward_pre_hook(lambda *_: restore_known()) if hooked else None
    try:
        yield
    finally:
        _active.remove(state)
        if hook is not None:
            hook.remove()
        state.restore()


def restore_known() -> None:
    """Put back what is known to be written, in all blocks that run: between forwards of one model."""
    for state in _active:
        state.restore(known=True)


def list_written(module: nn.Module) -> list[str]:
    """List what the module's forward is known to write: "norm.count"."""
    return [_join(path, key) for path, owner in module.named_modules() for key in sorted(_marks(owner))]


def name_few(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more


def _marks(owner: nn.Module) -> Iterable[str]:
    marks: set[str] = vars(owner).get(MARK, set())
    return marks


def _slots(module: nn.Module, *, parameters: bool) -> Iterator[tuple[nn.Module, str, str, Any]]:
    """Yield (owner, key, name, value) of what a forward may write, and of which copies are kept."""
    for path, owner in module.named_modules():
        for key, value in [*owner._buffers.items()]:
            if _can_keep(value):
                yield owner, key, _join(path, key), value
        for key, value in [*owner._parameters.items()]:
            if (parameters or key in _marks(owner)) and _can_keep(value):
                yield owner, key, _join(path, key), value
    for owner, key, name, value in _attributes(module):
        if _can_keep(value):
            yield owner, key, name, value


def _attributes(module: nn.Module) -> Iterator[tuple[nn.Module, str, str, Any]]:
    """Yield (owner, key, name, value) of the modules' own attributes, without those of torch and of this package."""
    for path, owner in module.named_modules():
        if not type(owner).__module__.startswith("robust."):
            for key, value in [*vars(owner).items()]:
                if key not in INTERNAL:
                    yield owner, key, _join(path, key), value


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _can_keep(value: Any) -> bool:
    if isinstance(value, tuple):
        return bool(value) and all(isinstance(part, Tensor) and _can_keep(part) for part in value)
    if isinstance(value, Tensor):
        plain = not is_lazy(value) and not hasattr(value, "__tensor_flatten__")  # which holds other tensors
        return plain and value.layout == torch.strided and not value.is_meta
    return value is None


def _tensors(value: Any) -> list[Tensor]:
    return [value] if isinstance(value, Tensor) else [*value] if isinstance(value, tuple) else []


def _put_back(kept: _Kept, *, fresh: bool) -> bool:
    """Put a value back, in a `fresh` storage if need be; return whether another one was there.

    What numpy has seen, as a hash does, cannot be resized, and observers resize.
    """
    now = _read(kept)
    if now is ABSENT or not _can_keep(now):  # a number, or a module that was made by the first forward
        return False
    tensors = _tensors(now)
    changed = len(tensors) != len(kept.copies) or not all(map(_same, tensors, kept.copies))
    if now is kept.value and not changed and not fresh:
        return False
    if now is not kept.value:
        setattr(kept.owner, kept.key, kept.value)
    for tensor, copy in zip(_tensors(kept.value), kept.copies, strict=True):
        if fresh or not _same(tensor, copy):
            tensor.data = copy.clone()  # a copy in place would fail where a backward pass is still to come
    return changed


def _read(kept: _Kept) -> Any:
    for table in (kept.owner._buffers, kept.owner._parameters, vars(kept.owner)):
        if kept.key in table:
            return table[kept.key]
    return ABSENT


def _same(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype or one.device != other.device:
        return False
    one = one.detach()
    return torch.equal(one, other) or bool(((one == other) | (one.isnan() & other.isnan())).all())


def _describe(value: Any) -> Any:
    """Return what tells one number or container from another; None for all else."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | deque | set | dict):
        items = value.values() if isinstance(value, dict) else value
        return len(value), [*map(id, islice(items, WATCHED_ITEMS))]
    return None
