"""The command line: what a newcomer and a script rely on."""

import dataclasses
import errno
import json
import shutil
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from tests.support.miniature import MEMBERS
from tests.support.photo_zoo import encoded, picture
from unlearn.cli import app as command_line
from unlearn.config import IdiaConfig, Settings
from unlearn.runs import forgetting, showing
from unlearn.runs.recovery_records import AttackRow

FAST = ("--steps", "2", "--portrait-seeds", "1", "--seed", "3")
COMMANDS = (
    "sets", "people", "faces", "forget", "attack", "portraits", "predict", "probe", "report", "card", "accuracy", "verify", "recover",
    "bench", "evaluate",
)  # fmt: skip


def write_photos(folder: Path, n_photos: int) -> None:
    folder.mkdir(parents=True)
    for number in range(n_photos):
        (folder / f"{number}.png").write_bytes(encoded(picture(number)))


@pytest.fixture(scope="module")
def run(miniature: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(sys, "argv", [
        "unlearn", "--device", "cpu", "--data-dir", str(out.parent / "data"), "forget", "--set", str(miniature),
        "--name", f"{MEMBERS[0]}|Captain Storm", "--name", MEMBERS[1], "--neutral-term", "human", "--out", str(out), *FAST,
    ])  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    monkeypatch.undo()
    assert not ended.value.code
    return out


def test_forget_leaves_what_is_promised(run: Path) -> None:
    assert (run / "manifest.json").is_file() and (run / "metrics.json").is_file()
    assert list((run / "portraits").glob("*.png")) and list((run / "defended").glob("*.safetensors"))
    config = json.loads((run / "config.json").read_text())
    assert [person["aliases"] for person in config["persons"]] == [["Captain Storm"], []]
    assert (config["seed"], config["text"]["n_steps"], config["neutral_term"]) == (3, 2, "human")


def test_forget_prints_only_json_when_asked(call: Any, miniature: Path, tmp_path: Path) -> None:
    code, out, err = call("forget", "--set", miniature, "--name", MEMBERS[2], "--out", tmp_path / "run", "--json", *FAST)
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert "fine-tuning" in err  # the progress


def test_forget_without_a_stable_diffusion_promises_no_portraits(call: Any, miniature: Path, tmp_path: Path) -> None:
    code, out, _ = call("forget", "--set", f"{miniature}+none", "--name", MEMBERS[3], "--out", tmp_path / "run", *FAST)
    assert code == 0 and not (tmp_path / "run" / "portraits").exists()
    assert out.endswith(f"Written to {tmp_path / 'run'}.\n")


def test_forget_starts_from_the_config_of_a_run(call: Any, run: Path, tmp_path: Path) -> None:
    code, _, _ = call("forget", "--config", run / "config.json", "--out", tmp_path / "again")
    assert code == 0
    first, second = (json.loads((folder / "metrics.json").read_text()) for folder in (run, tmp_path / "again"))
    assert first["weights"] == second["weights"]


def test_options_override_the_config_of_a_run(call: Any, run: Path, miniature: Path, tmp_path: Path) -> None:
    changed = ("--name", MEMBERS[2], "--neutral-term", "child", "--seed", "7", "--text", "n_steps=1", "--portrait", "n_steps=1")
    code, _, _ = call("forget", "--config", run / "config.json", "--out", tmp_path / "run", *changed)
    assert code == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["persons"] == [{"name": MEMBERS[2], "aliases": [], "stand_in": None}]
    assert (config["target"], config["neutral_term"]) == ("neutral_term", "child")
    assert (config["seed"], config["model_set"]) == (7, str(miniature))
    assert (config["text"]["n_steps"], config["portraits"]["n_steps"], config["portraits"]["seeds"]) == (1, 1, [0])
    code, _, err = call("forget", "--config", run / "config.json", "--set", "no-such-set", "--out", tmp_path / "other")
    assert code == 2 and "no-such-set" in err


def test_people_as_json_are_name_member_aliases(call: Any, miniature: Path) -> None:
    code, out, _ = call("people", "--set", miniature, "--json")
    assert code == 0
    assert json.loads(out)[0] == {"name": MEMBERS[0], "member": True, "aliases": ["Captain Storm"]}


def test_attack_as_json_on_original_and_defended(call: Any, miniature: Path, run: Path) -> None:
    expected = json.loads((run / "metrics.json").read_text())["persons"][0]["idia"]
    for side, extra in (("original", ()), ("defended", ("--weights", run))):
        code, out, _ = call("attack", "--set", miniature, "--name", MEMBERS[0], *extra, "--json")
        assert code == 0
        outcome = json.loads(out)
        assert outcome["correct_templates"] == expected[side]["correct_templates"]
        assert len(outcome["templates"]) == 21


def test_attack_for_people_is_a_table_with_a_verdict(call: Any, miniature: Path) -> None:
    code, out, _ = call("attack", "--set", miniature, "--name", MEMBERS[0], "--candidates", "30")
    assert code == 0
    assert "majority of the photos" in out and "of 21 templates" in out.splitlines()[-1]


def test_attack_that_is_impossible_says_why_and_is_no_error(call: Any, miniature: Path, tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", IdiaConfig().min_images - 1)
    unknown = ("attack", "--set", miniature, "--name", "Somebody Else")
    for arguments, words in (
        ((*unknown, "--portraits", 0), "no photos of this person are known; give some with --photos"),
        ((*unknown, "--photos", tmp_path / "photos"), f"too few photos were given; give {IdiaConfig().min_images} or more"),
        (("attack", "--set", miniature, "--name", MEMBERS[1], "--images", 21), "fewer than 21 photos of this person"),
    ):
        code, out, _ = call(*arguments)
        assert code == 0 and len(out.splitlines()) == 1 and words in out
        assert ("too few" in out) == ("too few" in words)
        assert json.loads(call(*arguments, "--json")[1])["recognised"] is None


def test_attack_on_a_name_with_aliases_attacks_the_name(call: Any, miniature: Path) -> None:
    arguments = ("attack", "--set", miniature, "--candidates", "30", "--json", "--name")
    outcome, expected = (json.loads(call(*arguments, name)[1]) for name in (f"{MEMBERS[0]}|Captain Storm", MEMBERS[0]))
    assert outcome == expected and outcome["recognised"] is not None


def test_sets_are_listed_with_what_is_here(call: Any) -> None:
    code, out, _ = call("sets", "--json")
    assert code == 0
    rows = {row["name"]: row for row in json.loads(out)}
    assert set(rows) == {"embedded", "sd14", "vit-b-32", "vit-b-16", "vit-l-14", "rn50"}
    assert all(isinstance(row["at_hand"], bool) for row in rows.values())
    assert "vit-b-16" in call("sets")[1]


def test_commands_on_a_run_print_json(call: Any, run: Path, tmp_path: Path) -> None:
    photo = run / "photos" / "p00-0.png"
    code, out, _ = call("predict", "--run", run, "--image", photo, "--label", MEMBERS[0], "--label", "human", "--json")
    assert code == 0 and json.loads(out)["labels"] == [MEMBERS[0], "human"]
    code, out, _ = call("probe", "--run", run, "--text", "Ada", "--json")
    assert code == 0 and json.loads(out)[0]["text"] == "Ada"
    drawn = ("portraits", "--run", run, "--prompt", "a boat", "--seeds", 2, "--out", tmp_path / "drawn", "--json")
    code, out, _ = call(*drawn)
    assert code == 0 and [row["seed"] for row in json.loads(out)] == [0, 0, 1, 1]
    assert len(list((tmp_path / "drawn").glob("*.png"))) == 4
    code, out, _ = call("verify", "--run", run, "--seed", 0, "--json")
    assert code == 0 and json.loads(out)["is_verified"] and len(json.loads(out)["pictures"]) == 2
    code, out, _ = call("verify", "--run", run)
    assert code == 0 and "Verified: the weights are the sealed ones" in out and "of 16" not in out


def test_documents_of_a_run_are_written_or_printed(call: Any, run: Path, tmp_path: Path) -> None:
    code, out, _ = call("report", "--run", run, "--json", "--request-number", "DS-7", "--retest", "2031-01-02")
    content = json.loads(out)
    assert code == 0 and (content["request"]["number"], content["run"]["retest"]) == ("DS-7", "2031-01-02") and MEMBERS[0] not in out
    second = ("--letter", "--person", 1)
    for options, file, name in (
        ((), "report.html", 0), (("--letter",), "letter.html", 0), (second, "letter.txt", 1), (("--full",), "all.html", 0),
    ):  # fmt: skip
        assert call("report", "--run", run, *options, "--with-name", "--out", tmp_path / file)[0] == 0
        assert MEMBERS[name] in (tmp_path / file).read_text("utf-8"), file
    assert call("card", "--run", run, "--out", tmp_path / "card.png")[0] == 0
    assert (tmp_path / "card.png").read_bytes().startswith(b"\x89PNG")
    assert "metrics" in json.loads(call("report", "--run", run, "--full", "--json")[1])
    for options, message in (
        ((), "--out is missing"), (("--letter", "--full"), "leave out --full"), (("--json", "--request-date", "yesterday"), "no date"),
        (("--letter", "--person", 9, "--out", tmp_path / "x"), "Person 9"),
    ):  # fmt: skip
        code, out, error = call("report", "--run", run, *options)
        assert code == 2 and message in error and not out


def test_recover_prints_rows_of_the_attacks_and_refuses_what_it_does_not_know(call: Any, run: Path, tmp_path: Path) -> None:
    fields = {field.name for field in dataclasses.fields(AttackRow)}
    code, out, _ = call("recover", "--run", run, "--attack", "aliases", "--attack", "reversal", "--json")
    rows = json.loads(out)["attacks"]
    assert code == 0 and {row["attack"] for row in rows} == {"aliases", "reversal"}
    scores = {"recognised", "correct_templates", "similarity"}
    never_met = {"never_met", "found_never_met"}  # left out where the set has no model that never met the person
    assert all(row.keys() == fields - never_met and scores <= row["defended"].keys() for row in rows)
    code, out, _ = call("recover", "--run", run, "--attack", "languages", "--attack", "photo-to-photo", "--person", 1)
    assert code == 0 and "ways found the person before" in out and "photo-to-photo was not tried" in out and MEMBERS[0] not in out
    for arguments, message in (
        (("--attack", "telepathy"), "'telepathy' is no attack"), (("--budget", "huge"), "use quick or full"), (("--person", 9), "Person 9"),
    ):  # fmt: skip
        code, out, error = call("recover", "--run", run, *arguments)
        assert code == 2 and message in error and not out
    assert call("recover", "--run", tmp_path / "nothing")[0] == 2 and "--run is missing" in call("recover")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_command(call: Any, command: str) -> None:
    code, out, _ = call(command, "--help")
    assert code == 0
    assert "Usage" in out and len(out) > 200


BAD = [
    (("--name", ""), "empty"),
    (("--name", "   "), "empty"),
    (("--name", "x" * 300), "300 characters"),
    (("--name", "Human"), "neutral term"),
    (("--name", "Ada|human"), "neutral term"),
    (("--name", "Ada", "--name", "ada"), "twice"),
    (("--name", "Ada\tBrook"), "several names"),
    (("--name", "Ada\x07Brook"), "control characters"),
    ((), "0 persons"),
    (("--name", "Ada", "--neutral-term", ""), "empty"),
    (("--name", "Ada", "--steps", "0"), "n_steps"),
    (("--name", "Ada", "--portrait-seeds", "0"), "seeds"),
    (("--name", "Ada", "--photos", "Ada"), "FOLDER"),
    (("--name", "Ada", "--photos", "Nam=/no/such/folder"), "belong to nobody"),
    (("--name", "Ada", "--photos", "ada=x", "--photos", "Ada=y"), "twice"),
    (("--name", "Ada", "--text", "colour=1"), "a field out of n_steps"),
    (("--name", "Ada", "--text", "n_steps=many"), "--text n_steps takes a whole number"),
    (("--name", "Ada", "--portrait", "guidance_scale=0"), "--portrait: guidance_scale is 0"),
    (("--name", "Ada", "--image", "hue_jitter=2"), "--image: hue_jitter is 2"),
    (("--name", "Ada", "--neutral-term", "Ada Lovelace"), "neutral term contains"),
    (("--name", "Ada", "--labelled-images", "/no/such/folder"), "labelled images cannot be read"),
    (("--name", "Ada", "--zero-shot", "cifar10"), "DATA-SET=FOLDER"),
    (("--name", "Ada", "--zero-shot", "mnist=/no/such/folder"), "'mnist' is no data set that is known"),
    (("--name", "Ada", "--zero-shot", "cifar10=/no/such/folder"), "given for cifar10 does not exist"),
    (("--name", "Ada", "--zero-shot", "cifar10=a", "--zero-shot", "cifar10=b"), "cifar10 is named 2 times"),
    (("--name", "Ada", "--photos", "facescrub=/no/such/folder"), "facescrub has 0 people"),
    (("--config", "/no/such/file"), "cannot be read"),
    (("--name", "Ada", "--method", "magic"), "method must be backdoor, closed-form or slug"),
    (("--name", "Ada", "--method", "slug", "--paper"), "The paper's method is backdoor"),
    (("--name", "Ada", "--method", "closed-form", "--steps", "5"), "makes no steps"),
    (("--name", "Ada", "--method", "slug", "--encoder", "image", "--faces", "/no/such/folder"), "choose text or both"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD)
def test_bad_input_exits_two_with_one_line(
    call: Any, miniature: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    code, out, err = call("forget", "--set", miniature, "--out", tmp_path / "run", *arguments)
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert words in err
    assert not (tmp_path / "run").exists()


def test_missing_out_exits_two_with_one_line(call: Any) -> None:
    code, _, err = call("forget", "--name", "Ada")
    assert code == 2 and len(err.strip().splitlines()) == 1 and "--out" in err


@pytest.mark.parametrize("command", ["forget", "attack", "people"])
def test_unknown_set_exits_two_with_one_line(call: Any, tmp_path: Path, command: str) -> None:
    extra = {"forget": ("--name", "Ada", "--out", tmp_path / "run"), "attack": ("--name", "Ada"), "people": ()}[command]
    code, _, err = call(command, "--set", "no-such-set", *extra)
    assert code == 2 and len(err.strip().splitlines()) == 1
    assert "no-such-set" in err and "vit-b-32" in err


LONG = "x" * 300
TOO_LONG = [
    ("people", "--set", LONG), ("attack", "--name", "Ada", "--weights", LONG), ("attack", "--name", "Ada", "--photos", LONG),
    ("report", "--run", LONG), ("forget", "--name", "Ada", "--out", LONG), ("faces", LONG),
    ("forget", "--name", "Ada", "--photos", f"Ada={LONG}", "--out", "run"),
    ("forget", "--name", "Ada", "--encoder", "image", "--faces", LONG, "--out", "run"),
]  # fmt: skip


@pytest.mark.parametrize("arguments", TOO_LONG, ids=" ".join)
def test_path_that_is_too_long_exits_two_with_one_line(
    call: Any, miniature: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = ("--set", miniature) if arguments[0] in ("attack", "forget") else ()
    code, out, err = call(arguments[0], *chosen, *arguments[1:])
    assert (code, out) == (2, "")
    assert len([line for line in err.strip().splitlines() if line.startswith("error: ")]) == 1
    assert "Traceback" not in err and err.strip().splitlines()[-1].startswith("error: ")


def test_missing_weights_exit_two_with_one_line(call: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    code, _, err = call("attack", "--set", "vit-b-32", "--name", "Ada")
    assert code == 2 and len(err.strip().splitlines()) == 1
    assert "open_clip_model.safetensors" in err


def test_unreadable_weights_exit_two_with_one_line(call: Any, miniature: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "config.json").write_text("{}")
    (tmp_path / "weights" / "open_clip_text.safetensors").write_bytes(b"nothing")
    for weights in (tmp_path / "weights", tmp_path / "missing"):
        code, _, err = call("attack", "--set", miniature, "--name", MEMBERS[0], "--weights", weights)
        lines = [line for line in err.strip().splitlines() if line.startswith("error: ")]
        assert code == 2 and len(lines) == 1


def test_full_disk_exits_two_with_one_line(
    call: Any, miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 100, 0))
    code, _, err = call("forget", "--set", miniature, "--name", MEMBERS[0], "--out", tmp_path / "run")
    assert code == 2 and "free some space" in err.strip().splitlines()[-1]


def test_disk_that_fills_up_exits_two_before_the_weights_are_saved_and_costs_the_portraits_after(
    call: Any, miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    arguments = ("forget", "--set", miniature, "--name", MEMBERS[0], *FAST, "--out")
    with monkeypatch.context() as patch:
        patch.setattr(forgetting, "save_defended", full)
        code, _, err = call(*arguments, tmp_path / "run")
    assert code == 2 and "disk is full" in err.strip().splitlines()[-1]
    assert not (tmp_path / "run" / "manifest.json").exists()
    monkeypatch.setattr(showing, "write_portraits", full)  # the fine-tuning is kept
    code, out, _ = call(*arguments, tmp_path / "run")
    assert code == 0 and "The portraits are missing: the disk is full." in out
    assert (tmp_path / "run" / "manifest.json").exists()


def test_options_before_the_command_win_over_the_environment(monkeypatch: pytest.MonkeyPatch, call: Any) -> None:
    monkeypatch.setenv("UNLEARN_DEVICE", "cuda:7")
    monkeypatch.setenv("UNLEARN_THREADS", "1")
    used: list[Settings] = []
    monkeypatch.setattr("unlearn.models.weights.is_at_hand", lambda model_set, settings: bool(used.append(settings)))
    assert call("sets", "--json")[0] == 0
    assert {(settings.device, settings.n_threads, settings.offline) for settings in used} == {("cpu", 1, True)}
