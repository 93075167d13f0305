"""What several test files share: a miniature model set, built once a session, and settings that never use a network."""

from pathlib import Path

import pytest

from tests.miniature import build_miniature
from unlearn.clip import Clip, load_clip
from unlearn.config import Settings


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as assets/embedded, with random weights; not to be changed."""
    return build_miniature(tmp_path_factory.mktemp("models") / "miniature")


@pytest.fixture(scope="session")
def original(miniature: Path) -> Clip:
    """The miniature's CLIP; encoders are never changed by what is tested."""
    return load_clip(str(miniature), Settings(device="cpu", offline=True))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", device="cpu", offline=True)
