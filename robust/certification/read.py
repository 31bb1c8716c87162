"""Graphs are read from what torch.export writes."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from robust.certification.errors import NoBoundsError, UnknownOptionError
from robust.certification.export import Plain, export_program
from robust.certification.graph import Graph, Node
from robust.certification.operators import KNOWN, make_operator
from robust.certification.operators.curves import Curve
from robust.certification.operators.operator import Call, Slot

OF_SHAPES = ("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full")  # constants, of its shape
UNSET = ("empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided")  # any numbers
OF_SEVERAL = ("getitem",)  # takes one of the values of an operator that has several


def read_graph(module: nn.Module, x: Tensor, *, live: bool = False) -> Graph:
    """Return the graph of a module for inputs like x, (1, *features).

    Its constants are in float64; or, if `live`, the parameters of the module themselves, as a training needs them.

    Raise NoBoundsError, with the layer and the operator, for a network that cannot be exported, or has an operator
    for which no bounds are known.
    """
    if isinstance(module, torch.jit.ScriptModule):
        raise NoBoundsError("torch.export reads no scripted or traced module; take the module that it was made of")
    module = module if hasattr(module.forward, "__code__") else Plain(module)
    program = export_program(module, x)
    constants = _constants(program, module if live else None)
    reader = _Reader(Graph(tuple(x.shape), live), (lambda value: value) if live else _in_double)
    for node in program.graph.nodes:
        reader.add(node, constants)
    return reader.graph


def _constants(program: Any, live: nn.Module | None) -> dict[str, Any]:
    """Return the tensors that a program holds, by the names of its placeholders: in float64, or those of `live`."""
    signature = program.graph_signature
    held = {**program.state_dict, **program.constants}
    if live is not None:
        held |= dict(live.named_parameters(remove_duplicate=False)) | dict(live.named_buffers(remove_duplicate=False))
    names = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    return {
        placeholder: held[name] if live is not None else _in_double(held[name]) for placeholder, name in names.items()
    }


def _in_double(value: Any) -> Any:
    if isinstance(value, torch.dtype):
        return torch.float64 if value.is_floating_point else value
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return value.double() if value.is_floating_point() else value
    return value


class _Reader:
    """The nodes so far, each by the name of what it was made from."""

    def __init__(self, graph: Graph, fix: Callable[[Any], Any]) -> None:
        self.graph = graph
        self._fix: Callable[[Any], Any] = lambda value: pytree.tree_map(fix, value)
        self._places: dict[str, int] = {}
        self._known: dict[str, Any] = {}  # values that do not depend on the input
        self._several: dict[str, Any] = {}  # nodes with several values, of which getitem takes one

    def add(self, node: Any, constants: dict[str, Any]) -> None:
        if node.op == "placeholder":
            if node.name in constants:
                self._known[node.name] = constants[node.name]
            else:
                self._places[node.name] = 0
        elif node.op == "call_function":
            self._call(node)
        elif node.op == "output":
            self._end(node)
        else:
            raise NoBoundsError(_where(node))

    def _call(self, node: Any) -> None:
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            raise NoBoundsError(_where(node))  # it draws at random, though its value may look like a constant
        if not any(source.name in self._places or source.name in self._several for source in node.all_input_nodes):
            self._compute(node)
            if self.graph.live and _is_computed(self._known[node.name]):
                raise NoBoundsError(f"{_told(node)} computes its weights from others ({node.target})")
        elif getattr(node.target, "__name__", "") in OF_SEVERAL:
            source, index = node.args
            self._insert(node, self._several[source.name], index)
        elif Call(node.target, (), {}).name in OF_SHAPES:
            self._compute(node)
        elif isinstance(node.meta.get("val"), Tensor):
            self._insert(node, node, None)
        elif isinstance(node.meta.get("val"), list | tuple):
            self._several[node.name] = node
        elif node.users:
            raise NoBoundsError(_where(node))  # a number that depends on the input

    def _compute(self, node: Any) -> None:
        """Keep what an operator makes of values that do not depend on the input, or of shapes alone."""

        def fill(each: Any) -> Any:
            return self._known[each.name] if each.name in self._known else torch.zeros(each.meta["val"].shape)

        args, kwargs = pytree.tree_map_only(torch.fx.Node, fill, (node.args, dict(node.kwargs)))
        self._known[node.name] = found = self._fix(node.target(*self._fix(args), **self._fix(kwargs)))
        if isinstance(found, Tensor) and found.is_floating_point() and Call(node.target, (), {}).name in UNSET:
            found.fill_(math.nan)  # what is read of it proves nothing

    def _insert(self, node: Any, called: Any, index: int | None) -> None:
        """Add the node for `node`, which is the value number `index` of the operator `called`."""
        call, sources = self._bind(called, index)
        shape, dtype = tuple(node.meta["val"].shape), node.meta["val"].dtype
        if not dtype.is_floating_point or dtype.itemsize < 2:
            why = f": no bounds are known for values of {dtype}" if call.name in KNOWN else ""
            raise NoBoundsError(_where(called) + why)  # integers and 8 bits round; complex numbers have no order
        try:
            operator = make_operator(call, sources, [self.graph.shape_of(each) for each in sources], shape)
        except UnknownOptionError as error:
            raise NoBoundsError(f"{_where(called)}: no bounds are known for {error}") from error
        if operator is None:
            raise NoBoundsError(_where(called))
        if isinstance(operator, Curve):
            sources = sources[:1]  # a square is a product of one value with itself
        kind = torch.finfo(dtype)
        unit = kind.eps / 2 if dtype.itemsize >= 4 else 0.0  # half precision adds up in another type
        self.graph.nodes.append(Node(operator, sources, shape, kind.max, unit, kind.tiny))
        self._places[node.name] = self.graph.output

    def _bind(self, node: Any, index: int | None) -> tuple[Call, tuple[int, ...]]:
        sources: list[int] = []

        def fill(each: Any) -> Any:
            if each.name in self._places:
                sources.append(self._places[each.name])
                return Slot(len(sources) - 1)
            return self._known[each.name]

        args, kwargs = pytree.tree_map_only(torch.fx.Node, fill, (node.args, dict(node.kwargs)))
        return Call(node.target, tuple(self._fix(args)), self._fix(kwargs), index), tuple(sources)

    def _end(self, node: Any) -> None:
        ((logits,),) = node.args
        place = self._places.get(getattr(logits, "name", ""))
        if place is None:
            raise NoBoundsError("its answer does not depend on its input")
        if place != self.graph.output:
            raise NoBoundsError("its logits are not what it computes last")
        shape = self.graph.shape_of(place)
        if len(shape) != 2 or shape[0] != 1:
            raise NoBoundsError(f"it answers one input with the shape {shape}, expected (1, classes)")


def _where(node: Any) -> str:
    """Return the layer and the operator of a node, in words: "layer 'features.3' (aten::sort)"."""
    schema, called = getattr(node.target, "_schema", None), node.meta.get("torch_fn", ("", ""))[1]
    operator = schema.name if schema else str(node.target)
    called = called.rpartition(".")[2]  # by the user; "method_descriptor.sort" for a method
    told = called and called.strip("_") not in operator and not called.startswith("__")  # "__rpow__" of a sign
    part = f", part of {called}" if told else ""
    return f"{_told(node)} ({operator}{part})"


def _told(node: Any) -> str:
    layer = _layer(node)
    return f"layer {layer!r}" if layer else "the model's own forward"


def _is_computed(value: Any) -> bool:
    """Whether a value would not follow the parameters that it was made from: it is no view of one."""
    return isinstance(value, Tensor) and value.requires_grad and not value.is_leaf and not value._is_view()


def _layer(node: Any) -> str:
    """Return the path of the module that a node is part of, "features.0"; "" for the outermost."""
    stack = [*node.meta.get("nn_module_stack", {}).values()]
    path = str(stack[-1][0] if stack else "")
    return path.removeprefix("robust_plain").removeprefix(".")
