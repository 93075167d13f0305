"""Converts the three networks of MTCNN from the wheel `mtcnn` 1.0.0 to one safetensors file, without code in it.

    pip download --no-deps --dest wheels mtcnn==1.0.0
    python -m assets.build.face_finder --wheel wheels/mtcnn-1.0.0-py3-none-any.whl

The wheel holds them as joblib files, which are pickles and could run anything when they are read. So only the wheel whose SHA-256 is
written here is read; joblib and lz4 have to be installed for that (`pip install joblib lz4`), and nothing else needs them.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np

from unlearn.errors import InputError
from unlearn.photos.mtcnn_networks import LAYERS, NETWORKS

WHEEL_SHA256 = "0a96b4868e56db9ae984449519642be6dba03240e608a67e928ebb47833e9144"
LICENCE = "mtcnn-1.0.0.dist-info/LICENSE"


def convert(wheel: Path, folder: Path) -> None:
    """Write the networks and their licence into the folder.

    Raises:
        InputError: it is another wheel.
    """
    data = wheel.read_bytes()
    if (found := hashlib.sha256(data).hexdigest()) != WHEEL_SHA256:
        raise InputError(f"The wheel's SHA-256 is {found}; only mtcnn-1.0.0-py3-none-any.whl with {WHEEL_SHA256} is read.")
    import joblib
    from safetensors.numpy import save_file

    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for network, layers in LAYERS.items():
            weights = joblib.load(io.BytesIO(archive.read(f"mtcnn/assets/weights/{network}.lz4")))
            names = [name for layer in layers for name in layer.arrays]
            arrays |= {f"{network}.{name}": np.ascontiguousarray(array) for name, array in zip(names, weights, strict=True)}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "LICENSE").write_bytes(archive.read(LICENCE))
    save_file(arrays, folder / NETWORKS.name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=NETWORKS.parent)
    arguments = parser.parse_args()
    convert(arguments.wheel, arguments.out)
