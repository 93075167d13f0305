"""The three networks of MTCNN, computed with numpy from arrays in a safetensors file: no torch, nothing that could run code.

They are tiny (0.5 million weights together), so that numpy is fast enough. `assets/build/face_finder.py` makes the file.
Source: Zhang, Zhang, Li, Qiao: Joint Face Detection and Alignment Using Multitask Cascaded Convolutional Networks, 2016, figure 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
from safetensors import SafetensorError

from unlearn.errors import ModelLoadError

NETWORKS = Path(__file__).resolve().parents[2] / "assets" / "mtcnn" / "networks.safetensors"
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Layer:
    """A convolution or, if `pool` is None and `dense` is set, a product; then PReLU and max pooling where it has them.

    Attributes:
        name: of its arrays.
        dense: a product of all that comes in, not a convolution.
        slope: whether a PReLU follows.
        pool: (window, stride) of the max pooling at the end; None: none.
    """

    name: str
    dense: bool = False
    slope: bool = True
    pool: tuple[int, int] | None = None

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names of the layer's arrays."""
        kinds = ("weight", "bias", "slope") if self.slope else ("weight", "bias")
        return tuple(f"{self.name}.{kind}" for kind in kinds)


# The layers of each network; those without slope are its answers.
LAYERS: dict[str, tuple[Layer, ...]] = {
    "pnet": (
        Layer("conv1", pool=(2, 2)), Layer("conv2"), Layer("conv3"),
        Layer("box", slope=False), Layer("face", slope=False),
    ),
    "rnet": (
        Layer("conv1", pool=(3, 2)), Layer("conv2", pool=(3, 2)), Layer("conv3"), Layer("dense", dense=True),
        Layer("box", dense=True, slope=False), Layer("face", dense=True, slope=False),
    ),
    "onet": (
        Layer("conv1", pool=(3, 2)), Layer("conv2", pool=(3, 2)), Layer("conv3", pool=(2, 2)), Layer("conv4"), Layer("dense", dense=True),
        Layer("box", dense=True, slope=False), Layer("landmarks", dense=True, slope=False), Layer("face", dense=True, slope=False),
    ),
}  # fmt: skip


class Network:
    """One of the three networks.

    Args:
        layers: from input to answers.
        arrays: their weights, convolutions (height, width, in, out) and products (in, out).
    """

    def __init__(self, layers: Sequence[Layer], arrays: Arrays) -> None:
        self._layers, self._arrays = layers, arrays

    def __call__(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """The answers for pictures uint8 (n, height, width, 3): "face" (a probability), "box" and, of the last network, "landmarks"."""
        x = (pictures.astype(np.float32) - 127.5) / 128
        answers = {}
        for layer in self._layers:
            weight, bias, *slope = (self._arrays[name] for name in layer.arrays)
            y = _product(x, weight, bias) if layer.dense else _convolved(x, weight, bias)
            if not layer.slope:
                answers[layer.name] = y
                continue
            x = np.minimum(y, 0)
            x *= slope[0] - 1
            x += y  # PReLU
            x = _pooled(x, *layer.pool) if layer.pool else x
        answers["face"] = 1 / (1 + np.exp(answers["face"][..., 0] - answers["face"][..., 1]))  # softmax of two
        return answers


def load_networks(path: Path = NETWORKS) -> dict[str, Network]:
    """The networks by name.

    Raises:
        ModelLoadError: the file is missing or damaged.
    """
    from safetensors.numpy import load_file

    try:
        arrays = load_file(path)
        of = {name: {array: arrays[f"{name}.{array}"] for layer in layers for array in layer.arrays} for name, layers in LAYERS.items()}
    except (OSError, SafetensorError, KeyError) as error:
        raise ModelLoadError("The file of the face finder MTCNN is missing or damaged; install the application again.") from error
    return {name: Network(layers, of[name]) for name, layers in LAYERS.items()}


def _convolved(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """x (n, height, width, in) without padding."""
    height, width, n_in, n_out = weight.shape
    lines = x.reshape(*x.shape[:2], -1)  # (n, height, width * in)
    windows = np.lib.stride_tricks.sliding_window_view(lines, (height, width * n_in), axis=(1, 2))[:, :, ::n_in]
    y = windows.reshape(-1, height * width * n_in) @ weight.reshape(-1, n_out)
    y += bias
    return y.reshape(*windows.shape[:3], n_out)


def _product(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The weights were trained on pictures read column by column."""
    flat = x.swapaxes(1, 2).reshape(len(x), -1) if x.ndim == 4 else x
    return flat @ weight + bias


def _pooled(x: np.ndarray, window: int, stride: int) -> np.ndarray:
    """Maxima; a window may reach beyond the right and the lower edge."""
    counts = [-(-(side - window) // stride) + 1 for side in x.shape[1:3]]
    pads = [(0, stride * (count - 1) + window - side) for count, side in zip(counts, x.shape[1:3], strict=True)]
    padded = np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=-np.inf)
    height, width = (stride * (count - 1) + 1 for count in counts)
    shifts = [(row, column) for row in range(window) for column in range(window)]
    return reduce(np.maximum, [padded[:, row : row + height : stride, column : column + width : stride] for row, column in shifts])
