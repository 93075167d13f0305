"""The dial of a run, and how its portraits grow: what is written, what the ends are, and that nothing personal is in a file's name."""

from __future__ import annotations

import copy
import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.miniature import MEMBERS, write_faces
from tests.support.short_runs import short_config
from unlearn.attacks.gallery import prompt_embeddings
from unlearn.attacks.interpolated import interpolated_prompts
from unlearn.config import ImageFineTuneConfig, Person, Settings
from unlearn.models.interpolation import interpolated
from unlearn.models.pair import Pair
from unlearn.models.suite import suite_of
from unlearn.progress import no_report
from unlearn.runs import forgetting
from unlearn.runs.denoising import PARTED_SHARE, Denoised, distances, parted_at, shown_steps
from unlearn.runs.dial import write_dial
from unlearn.runs.dial_records import Denoising, Dial
from unlearn.runs.evidence import Compared
from unlearn.runs.json_types import from_json, to_json
from unlearn.runs.opponent_context import compared_run
from unlearn.runs.results import Run, finished_run, read_part
from unlearn.runs.stamps import read_png

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.fixture(scope="module")
def finished(run: Path) -> Run:
    return finished_run(run)


@pytest.fixture(scope="module")
def compared(finished: Run, shared: Settings) -> Compared:
    return compared_run(finished, shared, no_report)


# ---- the dial ----------------------------------------------------------------------------------------------------


def test_every_person_has_every_position_and_a_picture_of_each(finished: Run) -> None:
    assert [dial.person_index for dial in finished.dial] == [0, 1]
    for dial in finished.dial:
        assert tuple(position.share for position in dial.positions) == SHARES
        pictures = [read_png(finished.folder / str(position.picture)) for position in dial.positions]
        assert len({picture.shape for picture in pictures}) == 1
        assert all(0 <= position.correct_templates <= 21 for position in dial.positions if position.correct_templates is not None)
    assert finished.metrics.seconds.dial is not None


def test_ends_are_the_portraits_and_attacks_of_the_run_itself(finished: Run) -> None:
    for dial, record in zip(finished.dial, finished.idia.persons, strict=True):
        first, last = dial.positions[0], dial.positions[-1]
        assert (first.correct_templates, last.correct_templates) == (record.original.correct_templates, record.defended.correct_templates)
        files = {entry.model: f"portraits/{entry.file}" for entry in finished.portraits
                 if (entry.person_index, entry.prompt, entry.seed) == (dial.person_index, "name", dial.seed)}  # fmt: skip
        assert (first.picture, last.picture) == (files["original"], files["defended"])


def test_pictures_between_the_ends_are_drawn_by_other_weights(compared: Compared, finished: Run, shared: Settings, tmp_path: Path) -> None:
    far = copy.deepcopy(compared.models.original.text)
    with torch.no_grad():
        for parameter in far.parameters():
            parameter.mul_(-20.0)  # so that the miniature, which hardly listens to texts, draws something else
    models = Pair(compared.models.original, compared.models.original.with_text(far))
    out = Path(shutil.copytree(finished.folder, tmp_path / "run"))
    write_dial(out, replace(compared, models=models), suite_of(finished.config.model_set, shared), {})
    (dial, _) = read_part(out, "dial")
    pictures = [read_png(out / str(position.picture)).astype(int) for position in dial.positions[:4]]
    assert all(np.abs(one - other).max() > 2 for one, other in itertools.combinations(pictures, 2))


def test_prompts_between_the_ends_vote_as_if_all_were_embedded(compared: Compared) -> None:
    names = list(MEMBERS[:2])
    gallery = compared.galleries.original
    for share in (0.25, 0.75):
        clip = interpolated(compared.models, share)
        fast = interpolated_prompts(clip.text, gallery, compared.prompts, share, names)
        full = prompt_embeddings(clip.text, gallery, None)
        assert [outcome.templates for outcome in gallery.attack(fast, names)] == [one.templates for one in gallery.attack(full, names)]


def test_prompts_of_the_attacked_are_those_of_the_model_itself(compared: Compared) -> None:
    clip, gallery = interpolated(compared.models, 0.5), compared.galleries.original
    fast = interpolated_prompts(clip.text, gallery, compared.prompts, 0.5, [MEMBERS[0]]).view(21, len(gallery.base_names), -1)
    full = prompt_embeddings(clip.text, gallery, None).view_as(fast)
    place = gallery.candidates.index(MEMBERS[0])
    assert torch.allclose(fast[:, place], full[:, place], atol=1e-5)


def test_run_without_dial_writes_none_and_removes_that_of_an_earlier_one(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    config = short_config(miniature)
    forgetting.forget(config, shared, tmp_path / "run")
    assert (tmp_path / "run" / "dial.json").is_file() and any((tmp_path / "run" / "dial").iterdir())
    forgetting.forget(replace(config, dial=False), shared, tmp_path / "run")
    again = finished_run(tmp_path / "run")
    assert again.dial == () and again.denoising == () and not (tmp_path / "run" / "dial").exists()
    assert again.metrics.seconds.dial is None and again.seal.created


def test_defended_face_moves_the_templates_and_leaves_the_pictures(miniature: Path, shared: Settings, tmp_path: Path) -> None:
    image = ImageFineTuneConfig(n_steps=2, batch_size=2, lr_milestones=())
    config = short_config(miniature, encoder="image", image=image)
    faces = {MEMBERS[0]: write_faces(tmp_path / "faces", 0)}
    forgetting.forget(config, shared, tmp_path / "run", faces=faces)
    found = finished_run(tmp_path / "run")
    (dial,) = found.dial
    assert not dial.is_drawn_anew and len({one.picture for one in dial.positions[:4]}) == 1
    assert all(position.correct_templates is not None for position in dial.positions)
    assert found.denoising == () and found.metrics.warnings == ()


def test_files_name_nobody(finished: Run) -> None:
    text = json.dumps(to_json((finished.dial, finished.denoising, finished.seal)))
    assert not any(part in text for person in finished.config.persons for name in person.triggers for part in name.split())


def test_json_comes_back_as_it_was(finished: Run) -> None:
    assert from_json(tuple[Dial, ...], json.loads(json.dumps(to_json(finished.dial)))) == finished.dial
    assert from_json(tuple[Denoising, ...], json.loads(json.dumps(to_json(finished.denoising)))) == finished.denoising


def test_config_of_an_older_run_turns_the_dial_on_and_has_none(finished: Run) -> None:
    values = json.loads(finished.config.to_json())
    del values["dial"]
    assert type(finished.config).from_json(json.dumps(values)) == finished.config and finished.config.dial
    assert short_config(Path("set"), Person("Ada Brook"), dial=False).dial is False


# ---- denoising ---------------------------------------------------------------------------------------------------


def test_both_portraits_grow_from_the_same_noise_to_the_runs_own(finished: Run) -> None:
    (denoising,) = finished.denoising
    first, last = denoising.moments[0], denoising.moments[-1]
    assert first.n_steps == 0 and denoising.distances[0] == 0.0
    assert (finished.folder / first.original).read_bytes() == (finished.folder / first.defended).read_bytes()
    assert last.n_steps == len(denoising.distances) - 1
    ends = finished.dial[0].positions
    assert (last.original, last.defended) == (ends[0].picture, ends[-1].picture)
    assert denoising.parted_at in [moment.n_steps for moment in denoising.moments]
    assert all((finished.folder / file).is_file() for moment in denoising.moments for file in (moment.original, moment.defended))


def test_they_part_at_the_first_step_beyond_a_share_of_the_final_distance() -> None:
    assert parted_at((0.0, 0.1, 0.2, 0.3, 0.8)) == 3 and PARTED_SHARE == 0.25
    assert parted_at((0.0, 0.3, 0.1, 0.8)) == 1
    assert parted_at((0.0, 0.0, 0.0)) is None


def test_distance_is_relative_to_the_length_of_the_latents() -> None:
    one, other = torch.tensor([3.0, 4.0]), torch.tensor([-3.0, -4.0])
    assert distances(Pair([one, one], [one, other])) == (0.0, 2.0)


def test_shown_steps_are_spread_and_hold_the_parting() -> None:
    assert shown_steps(40, 12) == [0, 4, 9, 12, 13, 18, 22, 27, 31, 36, 40]
    assert shown_steps(2, None) == [0, 1, 2]


def test_latents_are_kept_of_the_two_pictures_in_whichever_batch_they_are() -> None:
    denoised = Denoised(Pair(1, 4))
    for step in range(2):
        for first in (0, 3):
            denoised(first, step, torch.arange(first, first + 3).float().view(3, 1) + 10 * step)
    assert [tensor.item() for tensor in denoised.latents.original] == [1.0, 11.0]
    assert [tensor.item() for tensor in denoised.latents.defended] == [4.0, 14.0]
