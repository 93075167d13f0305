"""Upload the application to a Space of Hugging Face: `make space NAME=owner/space`, or `python -m assets.build.space --name owner/space`.

What is committed is uploaded, without what only development needs. `git push` cannot do it: the Hub refuses binary files that are not in
Xet or LFS, and `upload_folder` puts them there by itself. docs/spaces.md has the steps around it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assets.build.space_checks import PLAIN_GIT_BYTES, is_binary, name_trouble, troubles

ROOT = Path(__file__).resolve().parent.parent.parent
# Of development and of making the embedded set again. docs/ and assets/contact stay: README.md, which the Space shows, links to them.
NOT_NEEDED = ("tests/", ".ci/", "assets/build/", "Makefile", "pyproject.toml", "requirements-dev.txt")
NO_TOKEN = (
    "No token of Hugging Face is here. Make one that may write on https://huggingface.co/settings/tokens, then run "
    "`.venv/bin/hf auth login`, or set HF_TOKEN for this command."
)
REFUSED = (
    "Hugging Face refused the upload to {name} (HTTP status {status}). The token must be allowed to write to that account, "
    "and the Space must be one of Gradio."
)
AWAY = "Hugging Face cannot be reached ({kind}). Check the connection (and the proxy, if there is one), then run the command again; it goes on."


class SpaceError(Exception):
    """Something that stands in the way; its text is for whoever runs the command."""


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except OSError as error:
        raise SpaceError("git is not installed; it tells which files belong to the application.") from error
    if done.returncode != 0:
        raise SpaceError(f"{root} is no git repository with a commit; clone the application with git.")
    return done.stdout


def write_committed(root: Path, folder: Path) -> list[str]:
    """Put the committed files that a Space needs into a folder; their paths."""
    archive = folder.with_name(f"{folder.name}.tar")
    _git(root, "archive", "--format=tar", f"--output={archive}", "HEAD")
    with tarfile.open(archive) as opened:
        needed = [member for member in opened if member.isfile() and not member.name.startswith(NOT_NEEDED)]
        opened.extractall(folder, members=needed, filter="data")
    archive.unlink()
    return sorted(member.name for member in needed)


def describe(folder: Path, files: Sequence[str]) -> str:
    """The list of files with their sizes, and their sum."""
    sizes = {file: (folder / file).stat().st_size for file in files}
    rows = [f"{size:>12,}  {file}" for file, size in sizes.items()]
    n_binary = sum(size > PLAIN_GIT_BYTES or is_binary(folder / file) for file, size in sizes.items())
    total = f"{len(files)} files, {sum(sizes.values()) / 1e6:,.1f} MB; {n_binary} are binary or large and go to Xet storage."
    return "\n".join([*rows, total])


def upload(api: Any, name: str, folder: Path, note: str, private: bool) -> str:
    """Make the Space if there is none, replace its files by those of the folder; its address.

    Args:
        api: a `huggingface_hub.HfApi`, with its token.
        name: owner/space.
        folder: what is uploaded, all of it.
        note: what the Space's commit is called.
        private: of a new Space: only its owner sees it.
    """
    import httpx
    from huggingface_hub.errors import HfHubHTTPError

    try:
        api.create_repo(name, repo_type="space", space_sdk="gradio", private=private or None, exist_ok=True)
        api.upload_folder(repo_id=name, repo_type="space", folder_path=folder, commit_message=note, delete_patterns="*")
    except HfHubHTTPError as error:
        status = getattr(getattr(error, "response", None), "status_code", "unknown")
        raise SpaceError(REFUSED.format(name=name, status=status)) from error
    except (httpx.HTTPError, OSError, RuntimeError) as error:  # the last is what the storage's own client raises
        raise SpaceError(AWAY.format(kind=type(error).__name__)) from error
    return f"https://huggingface.co/spaces/{name}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m assets.build.space", description="Upload the application to a Space of Hugging Face.")
    parser.add_argument("--name", required=True, help="owner/space")
    parser.add_argument("--dry-run", action="store_true", help="list the files and check them; nothing is sent")
    parser.add_argument("--private", action="store_true", help="make a new Space visible to its owner only")
    return parser


def _run(arguments: Sequence[str] | None, root: Path, api: Any) -> None:
    flags = _parser().parse_args(arguments)
    if (wrong := name_trouble(flags.name)) is not None:
        raise SpaceError(wrong)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "space"
        folder.mkdir()
        files = write_committed(root, folder)
        if changed := _git(root, "status", "--porcelain").splitlines():
            print(f"Changed or new since the last commit, and not uploaded: {len(changed)} files.", file=sys.stderr)
        if found := troubles(folder, files):
            raise SpaceError("Nothing was uploaded:\n  " + "\n  ".join(found))
        if flags.dry_run:
            print(describe(folder, files))
            print(f"All checks passed. Without --dry-run this goes to https://huggingface.co/spaces/{flags.name}")
            return
        address = upload(_api(api), flags.name, folder, f"Upload of {_git(root, 'rev-parse', '--short', 'HEAD').strip()}", flags.private)
        print(f"Uploaded {len(files)} files. The Space builds itself now, which takes some minutes: {address}")


def _api(api: Any) -> Any:
    if api is not None:
        return api
    from huggingface_hub import HfApi, get_token

    token = get_token()
    if not token:
        raise SpaceError(NO_TOKEN)
    return HfApi(token=token)


def main(arguments: Sequence[str] | None = None, root: Path = ROOT, api: Any = None) -> int:
    """Run the command; its exit status. `root` and `page.endpoints` are for tests."""
    try:
        _run(arguments, root, api)
    except SpaceError as error:
        print(f"space: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
