"""One running app for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client

from tests.support.running_app import start_app


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("app") / "data"


@pytest.fixture(scope="module")
def address(data_dir: Path) -> Iterator[str]:
    process, found = start_app(data_dir)
    yield found
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="module")
def client(address: str) -> Client:
    return Client(address, verbose=False)
