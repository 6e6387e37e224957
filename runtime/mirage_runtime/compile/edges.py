"""Graphs whose bytes are numbers inside: TensorRT takes bytes and gives them, and does nothing else with them."""

from __future__ import annotations

from typing import Final

import onnx
from onnx import TensorProto, helper

_BYTES: Final = (TensorProto.UINT8, TensorProto.INT8)


def with_bytes_at_the_edges(model: onnx.ModelProto, kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """Return a graph that computes the same, where inputs of bytes become numbers at once, and outputs bytes at last.

    In between, what was cast to bytes is cast to numbers of ``kind`` instead: rounding and clipping happen before, in
    any graph that means to give levels. Inputs of signed bytes become numbers for the caller to give, as TensorRT keeps
    signed bytes for quantised networks.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    del graph.value_info[:]  # it would tell of bytes
    renamed = {}
    first = []
    for given in graph.input:
        if given.type.tensor_type.elem_type == TensorProto.INT8:
            given.type.tensor_type.elem_type = kind
        elif given.type.tensor_type.elem_type == TensorProto.UINT8:
            renamed[given.name] = f"{given.name}_as_numbers"
            first.append(helper.make_node("Cast", [given.name], [renamed[given.name]], to=kind))
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = renamed.get(name, name)
        if node.op_type == "Cast":
            for attribute in node.attribute:
                if attribute.name == "to" and attribute.i in _BYTES:
                    attribute.i = kind
    last = []
    for made in graph.output:
        if made.type.tensor_type.elem_type in _BYTES:
            inside = f"{made.name}_as_numbers"
            for node in graph.node:
                for place, name in enumerate(node.output):
                    node.output[place] = inside if name == made.name else name
            last.append(helper.make_node("Cast", [inside], [made.name], to=made.type.tensor_type.elem_type))
    nodes = [*first, *graph.node, *last]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(result)
    return result
