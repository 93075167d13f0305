"""What a second call in one process spares: loading, hashing, and photos of people who are not asked for.

The kept model is never changed.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.miniature import MEMBERS, STRANGERS, write_faces
from tests.support.short_runs import IDIA, short_config
from unlearn.config import ImageFineTuneConfig, Person, Settings
from unlearn.models import diffusion, frozen, suite, world_photos
from unlearn.models.frozen import hash_state
from unlearn.models.suite import suite_of
from unlearn.models.worlds import World
from unlearn.runs import forgetting, questions

pytestmark = pytest.mark.usefixtures("nothing_loaded")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often models were loaded, weights were read for a check, encoders were hashed and pictures were embedded."""
    counter: Counter[str] = Counter()

    def counted(module: Any, name: str) -> None:
        function: Callable[..., Any] = getattr(module, name)

        def call(*arguments: Any, **options: Any) -> Any:
            counter[name] += 1
            return function(*arguments, **options)

        monkeypatch.setattr(module, name, call)

    counted(suite, "load_clip")
    counted(suite, "load_diffusion")
    counted(suite, "load_defended")
    counted(diffusion, "require_module")
    counted(frozen, "hash_state")
    counted(world_photos, "embed_images")
    return counter


def test_second_forget_loads_nothing_again_and_hashes_only_what_is_new(
    miniature: Path, shared: Settings, tmp_path: Path, calls: Counter[str]
) -> None:
    forgetting.forget(short_config(miniature), shared, tmp_path / "first")
    assert calls == {
        "load_clip": 1, "load_diffusion": 1, "require_module": 2,  # U-Net and decoder
        "hash_state": 2,  # the text encoder before and after
        "embed_images": len(MEMBERS) + len(STRANGERS) + 1,  # all anonymous people at once
    }  # fmt: skip
    calls.clear()
    forgetting.forget(short_config(miniature, Person(MEMBERS[1])), shared, tmp_path / "second")
    assert calls == {"hash_state": 1}  # the new student


def test_kept_original_is_not_changed_by_forgetting(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    clip = suite_of(str(miniature), shared).clip
    towers: tuple[Any, ...] = (clip.text, clip.image)
    before = [hash_state(tower) for tower in towers]
    image = ImageFineTuneConfig(n_steps=2, batch_size=4)
    faces = {MEMBERS[0]: write_faces(tmp_path / "faces", 0)}
    metrics = forgetting.forget(short_config(miniature, encoder="both", image=image), shared, tmp_path / "run", faces=faces)
    assert [hash_state(tower) for tower in towers] == before  # not the remembered hash
    assert suite_of(str(miniature), shared).clip is clip
    assert not any(tower.training or any(p.requires_grad for p in tower.parameters()) for tower in towers)
    assert metrics.weights.original == before[0] != metrics.weights.defended
    assert metrics.image is not None
    assert metrics.image.weights.original == before[1] != metrics.image.weights.defended


def test_attack_on_one_person_embeds_the_photos_of_this_person_once(miniature: Path, shared: Settings, calls: Counter[str]) -> None:
    first = questions.attack(shared, str(miniature), Person(MEMBERS[0]), idia=IDIA)
    assert calls["embed_images"] == 1
    assert questions.attack(shared, str(miniature), Person("Captain Storm"), idia=IDIA).n_images == first.n_images  # her alias
    assert calls["embed_images"] == 1
    questions.attack(shared, str(miniature), Person(STRANGERS[0]), idia=IDIA)
    assert questions.attack(shared, str(miniature), Person("Nobody Known"), idia=IDIA).recognised is None
    assert calls["embed_images"] == 2 and calls["load_clip"] == 1


def test_questions_to_one_run_read_its_weights_once(run: Path, miniature: Path, shared: Settings, calls: Counter[str]) -> None:
    for _ in range(2):
        questions.attack(shared, str(miniature), Person(MEMBERS[0]), weights=run, idia=IDIA)
        questions.probe(shared, run, ["a boat"])
    assert (calls["load_clip"], calls["load_defended"], calls["hash_state"]) == (1, 1, 2)


def test_world_of_the_suite_is_the_sets_own(miniature: Path, shared: Settings) -> None:
    world = suite_of(str(miniature), shared).world
    assert world is not None
    assert [one.name for one in world.inhabitants] == [one.name for one in World(miniature).inhabitants]
