"""Collects the wheels that the check needs besides what a machine with a GPU has: `python -m tests.cuda_check.wheels --out DIR`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("open_clip_torch", "diffusers", "accelerate", "ftfy", "Faker")  # in the versions that are installed here
PINNED = ("wcwidth==0.2.13",)  # of ftfy; the last small one
MAX_BYTES = 9_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Download them and leave out what is not needed; fails where they are larger than `MAX_BYTES` together."""
    parser = argparse.ArgumentParser(prog="python -m tests.cuda_check.wheels")
    parser.add_argument("--out", required=True, type=Path, help="folder for the wheels")
    out: Path = parser.parse_args(arguments).out
    out.mkdir(parents=True, exist_ok=True)
    wanted = [*(f"{name}=={version(name)}" for name in PACKAGES), *PINNED]
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(out), *wanted], check=True)
    for wheel in out.glob("[Ff]aker-*.whl"):
        without_other_languages(wheel)
    n_bytes = sum(wheel.stat().st_size for wheel in out.glob("*.whl"))
    print(f"{n_bytes / 1e6:.1f} MB of wheels in {out}")
    return 0 if n_bytes < MAX_BYTES else 1


def without_other_languages(wheel: Path) -> None:
    """Rewrite faker's wheel with its American names only; it is unpacked and never installed, so that its list of files may differ."""
    kept = wheel.with_suffix(".part")
    with zipfile.ZipFile(wheel) as whole, zipfile.ZipFile(kept, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as part:
        for name in whole.namelist():
            if not _is_of_another_language(name):
                part.writestr(name, whole.read(name))
    kept.replace(wheel)


def _is_of_another_language(name: str) -> bool:
    """Whether a file lies in a provider's folder of a language, such as faker/providers/person/de_DE/__init__.py."""
    parts = name.split("/")
    return len(parts) > 4 and parts[:2] == ["faker", "providers"] and parts[3] not in ("en_US", "en")


if __name__ == "__main__":
    sys.exit(main())
