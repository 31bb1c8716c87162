"""ONNX graphs that write into a log, or take memory or time without end; each takes (n, 4) and answers with (n, 4)."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SHAPE = (4,)
NAME = "x\x1b[2J\n::error::owned\n\u202e"
OPERATORS = sorted({schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain})
NUMBERS = [-1, 0, 1, 2, 3, 7, 100, 2**20, 2**31 - 1, 2**31, 2**40, 2**62, -(2**40)]


def whole(name, value):
    return numpy_helper.from_array(np.array(value, np.int64), name)


def make(*nodes, constants=(), out=("n", 4)):
    """Return a graph of these nodes from x to y."""
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", ("n", 4)), ("y", out))
    ]
    graph = helper.make_graph([*nodes], "g", values[:1], values[1:], [*constants])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def repeated(times):
    """Return a graph that doubles x so often."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Add", ["v", "v"], ["w"])],
        "body",
        [value("i", TensorProto.INT64, []), value("c", TensorProto.BOOL, []), value("v", TensorProto.FLOAT, ["n", 4])],
        [value("d", TensorProto.BOOL, []), value("w", TensorProto.FLOAT, ["n", 4])],
    )
    truth = numpy_helper.from_array(np.array(True), "t")
    return make(helper.make_node("Loop", ["m", "t", "x"], ["y"], body=body), constants=[whole("m", times), truth])


def summed(*nodes, constants):
    """Return a graph that adds the sum of what the nodes make, called c."""
    nodes += (helper.make_node("ReduceSum", ["c"], ["s"], keepdims=0), helper.make_node("Add", ["x", "s"], ["y"]))
    return make(*nodes, constants=constants)


TALKATIVE = {
    "a name that is not used": make(
        helper.make_node("Relu", ["x"], ["y"]), constants=[numpy_helper.from_array(np.ones(3, np.float32), NAME)]
    ),
    "a node that fails": make(helper.make_node("Reshape", ["x", "s"], ["y"], NAME), constants=[whole("s", [3, 7])]),
    "a node that is there twice": make(
        helper.make_node("Relu", ["x"], ["z"], NAME), helper.make_node("Relu", ["z"], ["y"], NAME)
    ),
    "a domain": make(helper.make_node("Relu", ["x"], ["y"], domain=NAME)),
    "an operator": make(helper.make_node(NAME, ["x"], ["y"])),
    "a shape that is another": make(helper.make_node("Relu", ["x"], ["y"], NAME), out=("n", 9)),
}
GREEDY = {
    "a constant": summed(helper.make_node("ConstantOfShape", ["z"], ["c"]), constants=[whole("z", [2**17, 2**17])]),
    "an expansion": summed(helper.make_node("Expand", ["x", "z"], ["c"]), constants=[whole("z", [2**32, 1, 4])]),
    "tiles": summed(helper.make_node("Tile", ["x", "z"], ["c"]), constants=[whole("z", [2**17, 2**17])]),
    "a padding": summed(helper.make_node("Pad", ["x", "z"], ["c"]), constants=[whole("z", [0, 0, 2**17, 2**17])]),
    "a batch": make(helper.make_node("Relu", ["x"], ["y"])),
}
GREEDY["a batch"].graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2**31 - 1
ENDLESS = {"a loop": repeated(2**40)}


def bend(model, choose):
    """Return a copy of a graph with one thing in it changed; `choose` takes one of a list."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    node, graph = choose([*model.graph.node]), model.graph
    outputs = [name for each in graph.node for name in each.output]
    part = choose(["operator", "name", "attribute", "constant", "input", "output", "shape", "version"])
    if part == "operator":
        node.op_type = choose(OPERATORS)
    elif part == "name":
        node.name = NAME
    elif part == "attribute" and node.attribute:
        attribute = choose([*node.attribute])
        attribute.i, attribute.ints[:1] = choose(NUMBERS), [choose(NUMBERS)]
    elif part == "constant" and graph.initializer:
        tensor = choose([*graph.initializer])
        tensor.dims[:1] = [choose(NUMBERS)]
    elif part == "input" and node.input:
        node.input[0] = choose([*outputs, "", "x"])
    elif part == "output":
        node.output[0] = choose([*outputs, NAME])
    elif part == "shape":
        graph.input[0].type.tensor_type.shape.dim[0].dim_value = choose(NUMBERS)
    else:
        model.opset_import[0].version = choose([0, 1, 5, 9, 13, 22, 10**6])
    return model
