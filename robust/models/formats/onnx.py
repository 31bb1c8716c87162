"""ONNX graphs, converted to torch so that they have a gradient, and compared with onnxruntime."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from robust.attacks.rng import Rng
from robust.models.format import Loaded, Source, Terms, model_format
from robust.models.program import Batched
from robust.user_code import describe_user_error, is_installed, run_user_code

if TYPE_CHECKING:
    from onnx import ModelProto

PROBES = 4  # inputs on which both are compared
MAX_ERROR = 1e-4  # of the answers, as a share of the largest
SECONDS = 60.0  # that the probes may take: a graph can have loops without end
SILENT = 4  # the severity from which on onnxruntime writes its log: fatal; it would quote names of the file
NEXT_KEYS = b"\x12\x1a\x22\x28\x32\x3a\x42\x72"  # keys of protobuf that may follow the version in a model


FLOAT = "tensor(float)"  # the type of an input, as onnxruntime spells float32


def _matches(source: Source) -> bool:
    """Whether the file is a message of protobuf whose first field, the version of the format, is a small number."""
    head = source.head[:3]
    return not source.has_header and len(head) == 3 and head[0] == 0x08 and 0 < head[1] < 0x40 and head[2] in NEXT_KEYS


@model_format("onnx", "an ONNX graph", _matches)
def read(source: Source, terms: Terms) -> Loaded:
    """Return the graph as a module; LookupError if a package that this needs is not installed."""
    for name in ("onnx", "onnxruntime", "onnx2pytorch"):
        if not is_installed(name):
            raise LookupError(f"{name} is not installed; pip install 'pytest-robust[onnx]'")
    module, session = run_user_code(lambda: _convert(source))
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or not outputs or not inputs[0].shape:
        raise ValueError(f"is an ONNX graph of {len(inputs)} inputs and {len(outputs)} outputs, expected one input")
    if inputs[0].type != FLOAT:
        kind = inputs[0].type.removeprefix("tensor(").removesuffix(")")
        raise ValueError(f"is an ONNX graph of {kind} inputs, expected float: export it with inputs of float32")
    n, notes = inputs[0].shape[0], ["converted from ONNX"]
    _compare(module, session, n if isinstance(n, int) else PROBES, terms.shape)
    if isinstance(n, int):
        whole = Batched(module, n, n)
        if _takes_any(module, whole, n, terms.shape):
            notes.append(f"made for batches of {n}, and takes others")
        else:
            module = whole
            notes.append(f"made for batches of {n}")
    return Loaded(module, tuple(notes))


def _takes_any(module: nn.Module, whole: nn.Module, n: int, shape: tuple[int, ...]) -> bool:
    """Whether the converted graph also answers more inputs than it was made for, as `whole` does part by part.

    Often only the declared shape says how many: a batch of one at a time takes thirty times as long.
    """
    x = Rng.of(0, torch.arange(2 * n + 1)).uniform(torch.zeros(2 * n + 1, *shape))
    try:
        with torch.no_grad(), Deadline():
            outputs = [[one] if isinstance(one, Tensor) else [*one] for one in (module(x), whole(x))]
        return all(torch.allclose(one, other, rtol=1e-3, atol=1e-5) for one, other in zip(*outputs, strict=True))
    except Exception:  # the graph holds the number itself; what else may be wrong is found by `_compare`
        return False


def _convert(source: Source) -> tuple[nn.Module, Any]:
    """Return the graph as (a module, a session of onnxruntime)."""
    import onnx
    import onnxruntime
    from onnx2pytorch import ConvertModel

    graph = onnx.load(source.path)
    _fold_identities(graph)
    module: nn.Module = ConvertModel(graph)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # they compute constants
    session = onnxruntime.InferenceSession(  # without a fallback, which prints what failed
        str(source.path), options, providers=["CPUExecutionProvider"], enable_fallback=0
    )
    return module.eval(), session


class Deadline(TorchFunctionMode):
    """Stop the calls of torch in the block once they take too long: ValueError. A call that has begun goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.end = time.monotonic() + SECONDS

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if time.monotonic() > self.end:
            raise ValueError(f"it did not answer within {SECONDS:g} seconds")
        return func(*args, **(kwargs or {}))


def _ask_runtime(session: Any, x: Tensor) -> list[Tensor]:
    """Return onnxruntime's answers to x; ValueError if it takes too long."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.log_severity_level = SILENT
    over = threading.Event()

    def stop() -> None:
        over.set()
        options.terminate = True

    timer = threading.Timer(SECONDS, stop)
    timer.daemon = True
    timer.start()
    try:
        return [*map(torch.from_numpy, session.run(None, {session.get_inputs()[0].name: x.numpy()}, options))]
    except Exception:
        if over.is_set():
            raise ValueError(f"it did not answer within {SECONDS:g} seconds") from None
        raise
    finally:
        timer.cancel()


def _fold_identities(model: "ModelProto") -> None:
    """Replace each Identity of a weight, by which old exporters share weights, by a copy of the weight.

    The converter would give the Identity's output to a layer as an input.
    """
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Identity" and node.input[0] in weights]:
        copied = graph.initializer.add()
        copied.CopyFrom(weights[node.input[0]])
        copied.name = node.output[0]
        weights[copied.name] = copied
        graph.node.remove(node)


def _compare(module: nn.Module, session: Any, n: int, shape: tuple[int, ...]) -> None:
    """Raise a ValueError if the converted graph does not answer as onnxruntime does."""
    try:
        x = Rng.of(0, torch.arange(n)).uniform(torch.zeros(n, *shape))
        references = _ask_runtime(session, x)  # first, since it can be stopped
        with torch.no_grad(), Deadline():
            output = module(x)
        answers: list[Tensor] = [output] if isinstance(output, Tensor) else [*output]
        relative = max(
            float((answer - reference).abs().max() / reference.abs().max().clamp_min(1e-12))
            for answer, reference in zip(answers, references, strict=True)
        )
    except Exception as error:
        raise ValueError(
            f"is an ONNX graph that does not take inputs of shape {[*shape]}: {describe_user_error(error)}"
        ) from error
    if not relative <= MAX_ERROR:
        raise ValueError(f"was converted from ONNX wrongly: its answers are {relative:.2g} from those of onnxruntime")
