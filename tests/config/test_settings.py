"""The settings: the paper's defaults, validation, and the way through JSON."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from unlearn.config import (
    ClosedForm,
    EarlyStop,
    ForgetConfig,
    IdiaConfig,
    ImageFineTuneConfig,
    Person,
    PortraitConfig,
    Settings,
    TextFineTuneConfig,
    clean_name,
    numbered_seeds,
)
from unlearn.config.schedule_parts import MOST_MENDED
from unlearn.errors import ConfigError, InputError, JobCancelled, UnlearnError


def test_text_config_of_the_paper_has_its_numbers() -> None:
    paper = TextFineTuneConfig.paper()
    assert (paper.n_steps, paper.batch_size, paper.learning_rate) == (400, 128, 1e-4)
    assert (paper.lr_milestones, paper.lr_gamma) == ((200, 300), 0.5)
    assert (paper.backdoor_weight, paper.regularization_weight) == (0.6, 0.01)
    assert (paper.bystander_share, paper.neutral_share, paper.name_only_share, paper.early_stop) == (
        0,
        0,
        0,
        None,
    )
    assert TextFineTuneConfig.paper(regularization_weight=0.005).regularization_weight == 0.005


def test_image_config_of_the_paper_has_its_numbers() -> None:
    paper = ImageFineTuneConfig.paper()
    assert (paper.n_steps, paper.batch_size, paper.learning_rate) == (100, 128, 1e-4)
    assert (paper.lr_milestones, paper.lr_gamma, paper.backdoor_weight) == ((25, 75), 0.1, 0.8)
    assert paper.face_share == (56 / 224, 112 / 224)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TextFineTuneConfig(n_steps=0),
        lambda: TextFineTuneConfig(learning_rate=0.0),
        lambda: TextFineTuneConfig(pooled_weight=0.0, hidden_weight=0.0),
        lambda: TextFineTuneConfig(bystander_share=0.7, neutral_share=0.7),
        lambda: TextFineTuneConfig(n_captions=5),
        lambda: TextFineTuneConfig(lr_milestones=(0,)),
        lambda: ImageFineTuneConfig(face_share=(0.6, 0.5)),
        lambda: ImageFineTuneConfig(hue_jitter=0.6),
        lambda: IdiaConfig(n_candidate_names=1),
        lambda: IdiaConfig(min_correct_templates=22),
        lambda: PortraitConfig(seeds=(1, 1)),
        lambda: PortraitConfig(seeds=(1.5,)),  # type: ignore[arg-type]
        lambda: PortraitConfig(seeds=(2**64,)),
        lambda: PortraitConfig(prompt_template="a portrait"),
        lambda: EarlyStop(threshold=1.5),
        lambda: EarlyStop(every=10**12),
        lambda: EarlyStop(patience=10**12),
        lambda: EarlyStop(min_steps=10**12),
        lambda: TextFineTuneConfig(n_steps=10**12),
        lambda: ImageFineTuneConfig(n_steps=10**12),
        lambda: TextFineTuneConfig(n_steps=9000, steps_per_trigger=100),
        lambda: TextFineTuneConfig(batch_size=10**6),
        lambda: TextFineTuneConfig(lr_milestones=tuple(range(1, 1000))),
        lambda: TextFineTuneConfig(lr_milestones=(10**12,)),
        lambda: TextFineTuneConfig(backdoor_weight=float("inf")),
        lambda: TextFineTuneConfig(regularization_weight=1e9),
        lambda: TextFineTuneConfig(pooled_weight=1e9),
        lambda: TextFineTuneConfig(hidden_weight=float("nan")),
        lambda: TextFineTuneConfig(n_bystander_names=10**7),
        lambda: TextFineTuneConfig(n_captions=10**7),
        lambda: TextFineTuneConfig(captions="x" * 5000),
        lambda: TextFineTuneConfig(kept_names="x" * 5000),
        lambda: ImageFineTuneConfig(n_generic_images=10**7),
        lambda: ImageFineTuneConfig(n_average_faces=10**7),
        lambda: ImageFineTuneConfig(generic_images="x" * 5000),
        lambda: IdiaConfig(n_candidate_names=10**7),
        lambda: IdiaConfig(n_images=10**7),
        lambda: IdiaConfig(seed=10**400),
        lambda: PortraitConfig(seeds=tuple(range(1000))),
        lambda: PortraitConfig(prompt_template="{0}" + "x" * 1000),
        lambda: PortraitConfig(scheduler="x" * 1000),
        lambda: Settings(n_threads=10**9),
        lambda: ForgetConfig((Person("Ann Lee"),), seed=10**400),
        lambda: ForgetConfig((Person("Ann Lee"),), model_set="x" * 10**6),
        lambda: ForgetConfig((Person("Ann Lee"),), labelled_images="x" * 10**6),
        lambda: numbered_seeds(10**15, "--seeds"),
        lambda: numbered_seeds(0, "--seeds"),
        lambda: Settings(device="gpu"),
        lambda: Settings(n_threads=0),
        lambda: ForgetConfig((Person("Ann Lee"),), encoder="sound"),  # type: ignore[arg-type]
    ],
)
def test_config_out_of_range_raises_config_error(make: object) -> None:
    with pytest.raises(ConfigError):
        make()  # type: ignore[operator]


def test_bounds_leave_room_for_the_paper_and_for_many_names() -> None:
    TextFineTuneConfig.paper(n_captions=10_000)
    IdiaConfig(n_candidate_names=5000, n_images=100)
    latest = EarlyStop(min_steps=10**9)
    grown = TextFineTuneConfig(n_steps=1, steps_per_trigger=100, lr_milestones=(10**9,), early_stop=latest).for_triggers(64)
    assert grown.n_steps == 6301 and grown.lr_milestones == (10**9,) and grown.early_stop is not None
    TextFineTuneConfig(n_steps=10_000).for_triggers(64)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "Ann\nLee", "Ann\x00Lee", "...", "Ann\ud800"])
def test_name_that_cannot_be_used_raises_input_error_without_repeating_it(name: str) -> None:
    with pytest.raises(InputError) as error:
        Person(name)
    assert not name.strip() or name.strip(".") == "" or name not in str(error.value)


@pytest.mark.parametrize(
    "name", ["Ann Lee", "O'Neill", "Jean-Luc", "J.R.R. Tolkien", "李小龍", "Björk", "x" * 100]
)
def test_name_that_is_unusual_is_kept(name: str) -> None:
    assert Person(name).name == name


def test_name_with_odd_spacing_is_normalised() -> None:
    assert clean_name("  Ann \u00a0 Lee ") == "Ann Lee"
    assert clean_name("Bjo\u0308rk") == "Björk"


def test_person_parse_splits_aliases_and_drops_empty_and_repeated_ones() -> None:
    person = Person.parse("Ann Lee| The Boss ||the boss2|Ann lee|The Boss")
    assert person == Person("Ann Lee", ("The Boss", "the boss2"))
    assert person.triggers == ("Ann Lee", "The Boss", "the boss2")


def test_persons_with_the_neutral_term_or_twice_the_same_raise_input_error() -> None:
    with pytest.raises(InputError, match="neutral term"):
        ForgetConfig((Person("Human"),))
    with pytest.raises(InputError, match="neutral term"):
        ForgetConfig((Person("Ann Lee", ("human",)),))
    with pytest.raises(InputError, match="twice"):
        ForgetConfig((Person("Ann Lee"), Person("ANN LEE")))
    with pytest.raises(InputError, match="0 persons"):
        ForgetConfig(())
    with pytest.raises(InputError, match="65 persons"):
        ForgetConfig(tuple(Person(f"Person {i}") for i in range(65)))


def test_forget_config_survives_json() -> None:
    config = ForgetConfig(
        (Person("Ann Lee", ("The Boss",)), Person("李小龍")),
        neutral_term="person",
        encoder="both",
        seed=7,
        text=TextFineTuneConfig(early_stop=EarlyStop(every=5), lr_milestones=(3,)),
        image=ImageFineTuneConfig(early_stop=EarlyStop()),
        idia=IdiaConfig(n_images=3),
        portraits=PortraitConfig(seeds=(4, 5)),
        labelled_images="photos/labelled",
    )
    assert ForgetConfig.from_json(config.to_json()) == config
    assert ForgetConfig.from_json('{"persons": [{"name": "Ann Lee"}]}') == ForgetConfig((Person("Ann Lee"),))


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"persons": [{"name": "A"}], "colour": 1}', '{"persons": [{"name": "A"}], "text": 3}',
        '{"persons": [{"name": "A", "aliases": "Captain"}]}', '{"persons": [{"name": "A", "aliases": [1]}]}', '{"persons": "A"}',
        '{"persons": [{"name": "A"}], "portraits": {"seeds": [1.5]}}', '{"persons": [{"name": "A"}], "text": {"n_steps": 2.5}}',
        '{"persons": [{"name": "A"}], "labelled_images": ""}', '{"persons": [{"name": "A"}], "seed": "7"}',
    ],
)  # fmt: skip
def test_forget_config_from_bad_json_raises_config_error(text: str) -> None:
    with pytest.raises(ConfigError):
        ForgetConfig.from_json(text)


def test_forget_config_of_an_earlier_version_still_loads() -> None:
    values = json.loads(ForgetConfig((Person("Ann Lee"),), text=TextFineTuneConfig()).to_json())
    assert values.pop("labelled_images", "missing") is None
    assert ForgetConfig.from_json(json.dumps(values)) == ForgetConfig((Person("Ann Lee"),), text=TextFineTuneConfig())


def test_config_is_frozen_and_plain() -> None:
    config = ForgetConfig((Person("Ann Lee"),))
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seed = 1  # type: ignore[misc]
    assert json.loads(config.to_json())["neutral_term"] == "human"


def test_settings_from_environment_reads_every_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {
        "DATA_DIR": "d",
        "DEVICE": "cpu",
        "MODELS_DIR": "m",
        "OFFLINE": "1",
        "THREADS": "2",
        "FACE_PACK": "antelopev2",
        "FACE_ROOT": "p",
    }.items():
        monkeypatch.setenv(f"UNLEARN_{key}", value)
    expected = Settings(Path("d"), "cpu", Path("m"), offline=True, n_threads=2, face_pack="antelopev2", face_root=Path("p"))
    assert Settings.from_environment() == expected
    monkeypatch.setenv("UNLEARN_THREADS", "many")
    with pytest.raises(ConfigError, match="UNLEARN_THREADS"):
        Settings.from_environment()


def test_settings_cross_to_another_process_as_plain_values(tmp_path: Path) -> None:
    settings = Settings(tmp_path, "cuda:1", Path("m"), True, 3, "bf16", 1, 2, 3, 4, "antelopev2", tmp_path / "packs", "low")
    plain = json.loads(json.dumps(settings.to_plain()))
    assert Settings.from_plain(plain) == settings and Settings.from_plain(Settings().to_plain()) == Settings()
    for bad, words in (
        ({"data_dir": 5}, "data_dir takes a path"), ({"device": "abacus"}, "device is 'abacus'"), ({"n_threads": "3"}, "n_threads takes"),
        ({"memory": "much"}, "memory takes auto or low"), ({"colour": 1}, "colour does not exist"),
        ({"max_zip_mb": 0}, "max_zip_mb is 0"), ([], "takes an object"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=words):
            Settings.from_plain(bad)


def test_error_tree_keeps_cancelling_apart() -> None:
    assert issubclass(ConfigError, UnlearnError) and issubclass(InputError, UnlearnError)
    assert not issubclass(JobCancelled, UnlearnError)


def test_lengths_are_mended_where_a_few_names_are_forgotten_and_a_setting_that_is_off_is_not_told() -> None:
    schedule = TextFineTuneConfig(closed_form=ClosedForm())
    assert schedule.for_triggers(2).closed_form == schedule.for_triggers(MOST_MENDED).closed_form == ClosedForm()
    stretched = dataclasses.replace(schedule, steps_per_trigger=2)
    for other in (schedule.for_triggers(1), stretched.for_triggers(1), schedule.for_triggers(MOST_MENDED + 1)):
        assert other.closed_form == ClosedForm(n_length_corrections=0)
    assert "n_length_corrections=4" in repr(ClosedForm())
    told = repr(ClosedForm(n_length_corrections=0))
    assert told.startswith("ClosedForm(n_blocks=2, keep_weight=200.0, ") and "min_texts=48" in told and "n_length_corrections" not in told
    assert TextFineTuneConfig().for_triggers(3).closed_form is None
