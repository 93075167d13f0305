"""Published data sets on the command line: accuracy of a run in every layout, and a run that measures it, with its photos."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import published_sets as published
from tests.support.miniature import MEMBERS
from ui.views.numbers import number_rows
from unlearn.cli.folders import photo_folders
from unlearn.config import ForgetConfig, Person
from unlearn.config.zero_shot import ZeroShotSource
from unlearn.errors import InputError
from unlearn.runs import data_sets
from unlearn.runs.results import finished_run

LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "imagenet-v2": published.imagenet_v2,
    "cifar10": lambda root: published.cifar_pickles(root, "cifar10"),
    "cifar100": lambda root: published.cifar_binaries(root, "cifar100"),
    "flowers-102": published.flowers,
    "sun397": published.sun397,
    "facescrub": published.facescrub,
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_accuracy_of_a_finished_run_is_measured_in_every_layout(
    call: Any, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(data_sets, "templates_of", lambda data_set: ("a photo of a {0}.",))  # 80 for 1,000 classes take a minute
    folder = LAYOUTS[name](tmp_path / "published")
    code, out, err = call("accuracy", "--run", run, "--zero-shot", f"{name}={folder}", "--json")
    assert code == 0, err
    (row,) = json.loads(out)
    assert row["data_set"] == name and row["n_images"] > 1 and row["warnings"] == []
    for side in ("original", "defended"):
        assert 0 <= row[f"top1_{side}"] <= (row[f"top5_{side}"] if row["n_classes"] >= 5 else 1)
        assert (row[f"top5_{side}"] is None) == (row["n_classes"] < 5)


def test_accuracy_without_a_data_set_or_with_another_layout_ends_with_one_line(call: Any, run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments, words in (((), "one of imagenet-v2, cifar10"), (("--zero-shot", f"sun397={tmp_path / 'empty'}"), "a/abbey/")):
        code, out, err = call("accuracy", "--run", run, *arguments)
        assert (code, out) == (2, "") and words in err and len(err.strip().splitlines()) == 1


def test_run_measures_published_data_sets_and_attacks_with_photos_of_facescrub(call: Any, miniature: Path, tmp_path: Path) -> None:
    cifar, people = LAYOUTS["cifar10"](tmp_path / "cifar"), published.facescrub(tmp_path / "people", n_pictures=5)
    captions = tmp_path / "captions.txt"
    captions.write_text("\n".join([*(f"a red car number {number}" for number in range(30)), "a human on a hill"]))
    out = tmp_path / "run"
    code, printed, err = call(
        "forget", "--set", f"{miniature}+none", "--name", f"{MEMBERS[0]}|Captain Storm", "--name", "Robert De Niro", "--out", out,
        "--steps", "1", "--opponent", "off", "--zero-shot", f"cifar10={cifar}", "--zero-shot", f"facescrub={people}",
        "--photos", f"facescrub={people}", "--measured-captions", captions,
    )  # fmt: skip
    assert code == 0, err
    metrics = json.loads((out / "metrics.json").read_text())
    counted = [(row["data_set"], row["n_images"], row["n_classes"]) for row in metrics["zero_shot"]]
    assert counted == [("cifar10", 20, 10), ("facescrub", 15, 3)]
    assert metrics["n_captions"] == 30, "the one with the neutral term is left out"
    assert [person["idia"]["original"]["recognised"] is not None for person in metrics["persons"]] == [True, True]
    shown = finished_run(out)
    assert shown.config.zero_shot == (ZeroShotSource("cifar10", str(cifar)), ZeroShotSource("facescrub", str(people)))
    rows = {row.title: row for row in number_rows(shown)}
    assert "20 pictures of 10 classes" in rows["CIFAR-10, top-1"].meaning and rows["CIFAR-10, top-5"].original.endswith("%")
    assert rows["FaceScrub, top-5"].original == "–", "of three classes five guesses are always right"
    report = (out / "report.html").read_text("utf-8")
    assert "CIFAR-10, top 1 (20 pictures, 10 classes)" in report and "FaceScrub, top 5" in report
    assert "cifar10 (top 1, 20 pictures)" in printed


def test_photos_of_facescrub_belong_to_the_persons_who_are_in_it(tmp_path: Path) -> None:
    people = published.facescrub(tmp_path)
    persons = (Person("Bo Tan"), Person("The Chef", ("ben carver",)))
    assert photo_folders([f"FaceScrub={people}"], persons) == {"The Chef": people / "actors" / "images" / "Ben_Carver"}
    with pytest.raises(InputError, match="has 3 people, and none of the persons"):
        photo_folders([f"facescrub={people}"], persons[:1])
    with pytest.raises(InputError, match="twice"):
        photo_folders([f"facescrub={people}", "The Chef=folder"], persons)


def test_config_with_data_sets_comes_back_from_json(tmp_path: Path) -> None:
    config = ForgetConfig((Person("Ann Lee"),), zero_shot=(ZeroShotSource("sun397", "folder"),), measured_captions="captions.txt")
    assert ForgetConfig.from_json(config.to_json()) == config
