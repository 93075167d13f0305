"""What several test files share: a miniature model set and a short run with it, made once a session; the page without its server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.miniature import MEMBERS, build_miniature
from tests.support.short_runs import short_config
from ui.server.options import Options
from ui.server.service import Service
from unlearn.config import Person, Settings
from unlearn.models.clip import Clip, load_clip
from unlearn.models.suite import drop_suite
from unlearn.runs import forgetting


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as assets/embedded, with random weights; not to be changed."""
    return build_miniature(tmp_path_factory.mktemp("models") / "miniature")


@pytest.fixture(scope="session")
def original(miniature: Path) -> Clip:
    """The miniature's CLIP; encoders are never changed by what is tested."""
    return load_clip(str(miniature), Settings(device="cpu", offline=True))


@pytest.fixture
def nothing_loaded() -> Iterator[None]:
    """No model set is kept in this process, whatever other tests loaded; nor afterwards."""
    drop_suite()
    yield
    drop_suite()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", device="cpu", offline=True)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings whose caches several tests share."""
    return Settings(data_dir=tmp_path_factory.mktemp("data"), device="cpu", offline=True)


@pytest.fixture(scope="session")
def run(miniature: Path, shared: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished short run of two members, the first with her alias; not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "run"
    persons = (Person(MEMBERS[0], ("Captain Storm",)), Person(MEMBERS[1]))
    forgetting.forget(short_config(miniature, *persons), shared, out)
    return out


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """What is behind the page, with the test backend."""
    made = Service(Settings(data_dir=tmp_path / "data"), Options(backend="tests.support.ui_fixture"))
    made.start()
    yield made
    made.stop()
