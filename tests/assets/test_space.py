"""Uploading to a Space: what is sent, what is checked before, and what the front matter of README.md says. Nothing here uses a network."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import open_clip.pretrained
import pytest
from huggingface_hub.errors import HfHubHTTPError

from assets.build import space
from assets.build.space import main
from assets.build.space_checks import KEYS, MAX_SHORT_DESCRIPTION, PRIVATE_PARTS, ZERO_PYTHON, front_matter, name_trouble, troubles
from unlearn.models.sets import EMBEDDED_ROOT, list_model_sets

ROOT = Path(__file__).resolve().parent.parent.parent
README = "---\n" + (ROOT / "README.md").read_text("utf-8").split("---\n")[1] + "---\n# Title\n"
NAME = "some-owner/some.space_1"


class Hub:
    """In place of `HfApi`: notes what it was asked for, and what lay in the folder."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.files: dict[str, bytes] = {}

    def create_repo(self, name: str, **options: Any) -> None:
        self.calls.append((name, options))
        if self.error is not None:
            raise self.error

    def upload_folder(self, folder_path: Path, **options: Any) -> None:
        self.calls.append((options.pop("repo_id"), options))
        self.files = {str(path.relative_to(folder_path)): path.read_bytes() for path in folder_path.rglob("*") if path.is_file()}


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small application, committed, with one file of which nothing is known to git."""
    root = tmp_path / "tree"
    files = {
        "README.md": README, "app.py": "print()", "requirements.txt": (ROOT / "requirements.txt").read_text("utf-8"),
        "unlearn/models/clip.py": "", "tests/models/test_clip.py": "", "assets/build/world.py": "", "Makefile": "",
    ".gitignore": "/data/\n",
    }  # fmt: skip
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    (root / "assets" / "model.safetensors").write_bytes(b"\0" * 2**20)
    git(root, "init", "-q")
    commit(root)
    (root / "data").mkdir()
    (root / "data" / "names.txt").write_text("private", "utf-8")
    return root


def commit(root: Path) -> None:
    git(root, "add", "-A", "-f")
    git(root, "commit", "-q", "-m", "a commit")


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this copy of the program has no git history")
def test_dry_run_of_this_repository_lists_the_files_and_passes_all_checks(capsys: pytest.CaptureFixture[str]) -> None:
    hub = Hub()
    assert main(["--name", NAME, "--dry-run"], api=hub) == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    for file in ("app.py", "README.md", "requirements.txt", "packages.txt", "assets/embedded/clip/open_clip_model.safetensors"):
        assert f"  {file}\n" in said
    assert "tests/" not in said and "requirements-dev.txt" not in said and ".ci/" not in said
    assert "MB; " in said and "All checks passed" in said and hub.calls == []


def test_upload_sends_what_is_committed_and_needed_and_nothing_else(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "app.py").write_text("changed, but not committed", "utf-8")
    hub = Hub()
    assert main(["--name", NAME], tree, hub) == 0
    assert set(hub.files) == {"README.md", "app.py", "requirements.txt", "unlearn/models/clip.py", "assets/model.safetensors", ".gitignore"}
    assert hub.files["app.py"] == b"print()"
    (made, how), (sent_to, what) = hub.calls
    assert made == sent_to == NAME
    assert how == {"repo_type": "space", "space_sdk": "gradio", "private": None, "exist_ok": True}
    assert what["repo_type"] == "space" and what["delete_patterns"] == "*", "what an earlier version had goes"
    said = capsys.readouterr()
    assert f"https://huggingface.co/spaces/{NAME}" in said.out and "not uploaded: 1 files" in said.err


def test_new_space_can_be_private(tree: Path) -> None:
    hub = Hub()
    assert main(["--name", NAME, "--private"], tree, hub) == 0
    assert hub.calls[0][1]["private"] is True


@pytest.mark.parametrize(
    "name", ["", "space", "a/b/c", "/space", "owner/", "own er/space", "owner/sp--ace", "owner/..", "owner/x.git", "ö/space",
             "a/" + "b" * 96, "https://huggingface.co/spaces/a/b", " a/b", "a/b\n", "-a/b", "a/b-"],
)  # fmt: skip
def test_bad_name_is_refused_with_a_sentence(tree: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    hub = Hub()
    assert main([f"--name={name}"], tree, hub) == 2
    assert f"NAME is {name!r}; give owner/space" in capsys.readouterr().err and hub.calls == []


def test_missing_token_is_told_before_anything_is_sent(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert main(["--name", NAME], tree) == 2
    said = capsys.readouterr().err
    assert "No token of Hugging Face" in said and "hf auth login" in said


def _refusal(status: int) -> HfHubHTTPError:
    answer = httpx.Response(status, request=httpx.Request("POST", "https://huggingface.co"))
    return HfHubHTTPError("refused", response=answer)


@pytest.mark.parametrize(
    ("error", "said"),
    [(_refusal(403), f"refused the upload to {NAME} (HTTP status 403)"), (httpx.ConnectError("no"), "cannot be reached (ConnectError)"),
     (RuntimeError("hf_xet"), "cannot be reached (RuntimeError)")],
)  # fmt: skip
def test_refusal_and_silence_of_the_hub_are_told(tree: Path, error: Exception, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--name", NAME], tree, Hub(error)) == 2
    assert said in capsys.readouterr().err


def test_folder_without_git_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--name", NAME, "--dry-run"], tmp_path, Hub()) == 2
    assert "is no git repository" in capsys.readouterr().err
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--name", NAME, "--dry-run"], tmp_path, Hub()) == 2
    assert "git is not installed" in capsys.readouterr().err


FAULTS = {
    "README.md": [
        ("# Title\n", "does not begin with a readable YAML block"),
        ("---\n: [\n---\n", "does not begin with a readable YAML block"),
        (README.replace("python_version", "python_versoin"), "'python_versoin', which Spaces do not know"),
        (README.replace('"3.12.12"', "3.11"), "python_version is 3.11 in the front matter; write a str"),
        (README.replace('"3.12.12"', '"3.11"'), "python_version is '3.11'; ZeroGPU documents"),
        (README.replace("and see it", "and see it, too"), "short_description has 63 characters; 60 at most"),
        (README.replace("app_file: app.py", "app_file: main.py"), "app_file is 'main.py'"),
        (README.replace("colorTo: gray", "colorTo: black"), "colorTo is 'black'"),
        (README.replace("sdk: gradio", "sdk: docker"), "sdk is 'docker'"),
        (README.replace("cpu-basic", "cpu-huge"), "suggested_hardware is 'cpu-huge'"),
        (README.replace("CompVis/", ""), "models has 'stable-diffusion-v1-4'"),
        (README.replace("sdk_version: 6", "sdk_version: 5"), "but requirements.txt has gradio"),
        (README.replace("license: mit\n", ""), "has no license"),
    ],
    "requirements.txt": [
        ("-r other.txt\n", "line 1: '-r other.txt' cannot be installed"),
        ("gradio>=6.31,<7\n./local\n", "line 2: './local' cannot be installed"),
        ("torch==2.3.1\n", "ZeroGPU takes torch 2.8.0 and later"),
    ],
    "unlearn/models/clip.py": [
        ("token = 'hf_" + "aB3" * 12 + "'\n", "unlearn/models/clip.py holds what looks like a secret"),
        ("-----BEGIN " + "RSA PRIVATE KEY-----\n", "unlearn/models/clip.py holds what looks like a secret"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of git-lfs"),
    ],
    "data/jobs.txt": [("", "data/jobs.txt looks like private data")],
    ".env": [("", ".env looks like private data")],
    "keys/server.pem": [("", "keys/server.pem looks like private data")],
}


@pytest.mark.parametrize(("file", "text", "said"), [(file, *one) for file, many in FAULTS.items() for one in many])
def test_fault_is_told_and_nothing_is_uploaded(tree: Path, file: str, text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / file).parent.mkdir(exist_ok=True)
    shutil.rmtree(tree / "data")
    (tree / file).parent.mkdir(exist_ok=True)
    (tree / file).write_text(text, "utf-8")
    commit(tree)
    hub = Hub()
    assert main(["--name", NAME], tree, hub) == 2
    told = capsys.readouterr().err
    assert "Nothing was uploaded" in told and said in told and hub.calls == []


def test_limits_of_sizes_and_numbers_are_checked(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ["README.md", "app.py", "requirements.txt", "assets/model.safetensors", "unlearn/models/clip.py"]
    assert troubles(tree, files) == []
    for limit, value, said in (
        ("MAX_TOTAL_BYTES", 2**20, "a Space takes 1 MB"), ("MAX_FILES", 4, "There are 5 files"), ("MAX_ENTRIES", 4, "has 5 entries"),
    ):  # fmt: skip
        with monkeypatch.context() as patched:
            patched.setattr(f"assets.build.space_checks.{limit}", value)
            assert any(said in one for one in troubles(tree, files))


def test_front_matter_has_only_documented_keys_and_what_zero_gpu_documents() -> None:
    block = front_matter(ROOT)
    assert set(block) <= set(KEYS) and all(isinstance(value, KEYS[key]) for key, value in block.items())
    assert block["python_version"] in ZERO_PYTHON and block["sdk"] == "gradio" and block["app_file"] == "app.py"
    assert len(block["short_description"]) <= MAX_SHORT_DESCRIPTION and block["suggested_hardware"] and block["tags"]


def test_models_of_the_front_matter_are_those_of_the_full_size_sets() -> None:
    used = set()
    for one in list_model_sets():
        if one.clip_folder is None or one.clip_folder.parent != EMBEDDED_ROOT:
            used |= {one.diffusion, open_clip.pretrained.get_pretrained_cfg(one.clip, one.weights)["hf_hub"].rstrip("/")}
    assert set(front_matter(ROOT)["models"]) == used
    assert all(name_trouble(model) is None for model in used if model)


def test_program_needs_nothing_of_what_is_left_out() -> None:
    for path in [ROOT / "app.py", *(ROOT / "unlearn").glob("*.py"), *(ROOT / "ui").glob("*.py")]:
        text = path.read_text("utf-8")
        assert "import assets" not in text and "from assets" not in text, path.name
        assert "from tests" not in text or path.name.startswith("bench"), "the bench says that it needs a checkout"
    assert space.NOT_NEEDED and "data" in PRIVATE_PARTS
