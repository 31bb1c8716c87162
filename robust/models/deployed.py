"""Forms in which a compressed network is deployed without its Python: graphs of ONNX, programs of torch.export."""

import hashlib
import io
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from robust.models.compressed import name_weights
from robust.models.packing import pack, quietly, silently
from robust.user_code import describe_user_error, is_installed

# By the form: the packings that it can hold.
HOLDS = {"onnx": ("", "int8-dynamic"), "export": ("", "int8-static", "int8-weights", "fp8-weights")}
NEEDED = {"onnx": ("onnx", "onnxruntime"), "export": ()}
TORCHAO = "torchao packs programs so, and is not installed; pip install 'pytest-robust[compress]'"
OPSET = 17
TRACED = 4  # inputs of the batch that a network is traced with; the program takes any number


def refuse_form(form: str, packing: str) -> None:
    """Raise ValueError for a packing that a form cannot hold, and LookupError where a package for it is missing."""
    if packing not in HOLDS[form]:
        kinds = " or ".join(f"--{name.replace('-', '=', 1)}" for name in HOLDS[form] if name)
        raise ValueError(f"cannot hold {packing}; take {kinds}")
    for name in NEEDED[form]:
        if not is_installed(name):
            raise LookupError(f"{name} is not installed; pip install 'pytest-robust[onnx]'")


def write_deployed(form: str, network: nn.Module, packing: str, x: Tensor) -> bytes:
    """Return the content of the file of a float network in that form, packed so; x calibrates it, (n, *shape).

    ValueError, in one line, if the network cannot be written so.
    """
    write = _write_onnx if form == "onnx" else _write_program
    try:
        with silently(), quietly(), torch.no_grad():
            return write(network.eval(), packing, x)
    except (ValueError, LookupError):
        raise
    except Exception as error:  # the exporters raise anything
        raise ValueError(f"cannot be written as {name_weights(form, packing)}: {describe_user_error(error)}") from error


def _write_onnx(network: nn.Module, packing: str, x: Tensor) -> bytes:
    file, axes = io.BytesIO(), {"x": {0: "n"}, "y": {0: "n"}}
    torch.onnx.export(
        network,
        (x[:TRACED],),
        file,  # type: ignore[arg-type]
        dynamo=False,
        opset_version=OPSET,
        input_names=["x"],
        output_names=["y"],
        dynamic_axes=axes,
    )
    if not packing:
        return file.getvalue()
    from onnxruntime.quantization import quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        whole, packed = Path(folder) / "float.onnx", Path(folder) / "packed.onnx"
        whole.write_bytes(file.getvalue())
        quantize_dynamic(whole, packed)
        return packed.read_bytes()


def _write_program(network: nn.Module, packing: str, x: Tensor) -> bytes:
    batch, file = torch.export.Dim("n"), io.BytesIO()
    if packing == "int8-static":
        network = _pack_graph(network, x)
    elif packing:
        network = pack(packing, network, x)
    torch.export.save(torch.export.export(network, (x[:TRACED],), dynamic_shapes=({0: batch},), strict=False), file)
    return file.getvalue()


def register_operators(packing: str) -> None:
    """Make the operators known that a program of pt2e calls; LookupError without torchao, which defines them."""
    if packing == "int8-static":
        if not is_installed("torchao"):
            raise LookupError(TORCHAO)
        with silently(), quietly():
            import_module("torchao.quantization.pt2e.quantize_pt2e")


def _pack_graph(network: nn.Module, x: Tensor) -> nn.Module:
    """Return the graph of a network in int8, by torchao's pt2e, calibrated on x; LookupError without torchao."""
    register_operators("int8-static")
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    quantizer = x86.X86InductorQuantizer()
    quantizer.set_global(x86.get_default_x86_inductor_quantization_config())
    batch = torch.export.Dim("n")
    graph = torch.export.export(network, (x[:TRACED],), dynamic_shapes=({0: batch},), strict=False).module()
    prepared = prepare_pt2e(graph, quantizer)
    for part in torch.split(x, 64):
        prepared(part)
    packed: Any = convert_pt2e(prepared)
    used = {node.target for node in packed.graph.nodes if node.op == "get_attr"}
    for name, _ in [*packed.named_parameters()]:
        if name not in used:  # the float weights, which would be written beside the packed ones
            owner, _, key = name.rpartition(".")
            delattr(packed.get_submodule(owner), key)
    graph_module: nn.Module = packed
    return graph_module


class OnnxNetwork(nn.Module):
    """A graph of ONNX as onnxruntime answers it, on the processor, without a gradient. The digest identifies it."""

    digest: Tensor

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self._session = _Session(content)
        self.register_buffer("digest", torch.tensor([*hashlib.sha256(content).digest()], dtype=torch.uint8))

    def forward(self, x: Tensor) -> Tensor:
        return self._session.ask(x).to(x.device)


class _Session:
    """A session of onnxruntime in one thread, so that a fork can go on with it. Copies of a module share it."""

    def __init__(self, content: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # fatal: it would quote names of the file
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def ask(self, x: Tensor) -> Tensor:
        (answer,) = self._session.run(None, {"x": x.detach().cpu().numpy()})
        return torch.from_numpy(answer)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self
