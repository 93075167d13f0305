"""An InsightFace pack of two tiny ONNX files that take red squares for faces, so that the real classes can be run."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)
ACTIVE = 32  # the one stride whose cells answer
LANDMARKS = np.array([-0.5, -0.5, 0.5, -0.5, 0, 0, -0.4, 0.5, 0.4, 0.5], np.float32)  # eyes, nose, mouth, in strides


def write_pack(folder: Path) -> Path:
    """det.onnx with the nine outputs of SCRFD and rec.onnx with the shape of ArcFace."""
    folder.mkdir(parents=True)
    onnx.save(_detector(), folder / "det_10g.onnx")
    onnx.save(_recogniser(), folder / "w600k_r50.onnx")
    return folder


def _model(nodes: list, size: list, outputs: list, weights: list) -> onnx.ModelProto:
    pixels = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, size)
    graph = helper.make_graph(nodes, "tiny", [pixels], outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def _detector() -> onnx.ModelProto:
    nodes, weights, outputs = [], [], []
    for stride in STRIDES:
        pool = helper.make_node("AveragePool", ["input.1"], [f"mean{stride}"], kernel_shape=[stride] * 2, strides=[stride] * 2)
        nodes.append(pool)
    for kind, columns in (("score", 1), ("box", 4), ("points", 10)):
        for stride in STRIDES:
            weight = np.zeros((2 * columns, 3, 1, 1), np.float32)
            if kind == "score" and stride == ACTIVE:
                weight[:, 0], weight[:, 1] = 12, -12  # red yes, green no
            bias = {"score": [-12.0], "box": [3.0] * 4, "points": LANDMARKS}[kind]
            inputs = [f"mean{stride}"]
            for part, value in (("w", weight), ("b", np.tile(np.asarray(bias, np.float32), 2)), ("s", np.array([-1, columns]))):
                weights.append(numpy_helper.from_array(value, f"{part}{kind}{stride}"))
                inputs.append(f"{part}{kind}{stride}")
            last = f"{kind}{stride}"
            nodes.append(helper.make_node("Conv", inputs[:3], [f"{last}a"]))
            nodes.append(helper.make_node("Sigmoid" if kind == "score" else "Identity", [f"{last}a"], [f"{last}b"]))
            nodes.append(helper.make_node("Transpose", [f"{last}b"], [f"{last}c"], perm=[0, 2, 3, 1]))
            nodes.append(helper.make_node("Reshape", [f"{last}c", inputs[3]], [last]))
            outputs.append(helper.make_tensor_value_info(last, TensorProto.FLOAT, [None, columns]))
    return _model(nodes, [1, 3, None, None], outputs, weights)


def _recogniser() -> onnx.ModelProto:
    weight = np.random.default_rng(0).normal(size=(3 * 7 * 7, 512)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["input.1"], ["mean"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["embedding"]),
    ]
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 512])
    return _model(nodes, [None, 3, 112, 112], [output], [numpy_helper.from_array(weight, "w")])
