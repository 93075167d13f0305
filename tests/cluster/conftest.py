"""One Ray of two lanes for the tests of a file: starting it takes longer than all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from unlearn.cluster.ray_cluster import ClusterConfig, RayCluster


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server") / "data"


@pytest.fixture(scope="module")
def cluster(data_dir: Path) -> Iterator[RayCluster]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", "203.0.113.1:6379")  # of no effect: only the flag names a cluster
        data_dir.mkdir()
        made = RayCluster(ClusterConfig(device="cpu", share=(os.cpu_count() or 2) / 2), data_dir)
    assert made.n_lanes == 2
    yield made
    made.close()
    assert [path.name for path in data_dir.iterdir() if "ray" in path.name] == []
