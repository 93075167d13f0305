"""Runs the check: `python -m tests.cuda_check --out DIR`. Exit status 1 where a bar is not kept."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from tests.cuda_check.rows import Row
    from tests.cuda_check.sizes import Sizes

SECTIONS = ("agreement", "speed", "variants", "run")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.cuda_check", description="Check and time the program on a GPU.")
    parser.add_argument("--out", required=True, type=Path, help="folder for check.json, check.txt and the run")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu")
    parser.add_argument("--small", action="store_true", help="a rehearsal with small models and few steps")
    parser.add_argument("--wheels", type=Path, help="folder with wheels that this machine lacks, as `make cuda-wheels` collects them")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="a section; several times for several")
    return parser


def _rows(section: str, device: torch.device, sizes: Sizes, out: Path) -> Iterator[Row]:
    if section == "agreement":
        from tests.cuda_check.agreement import agreement

        return agreement(device, sizes)
    if section == "speed":
        from tests.cuda_check.speed import speed

        return speed(device, sizes)
    if section == "variants":
        from tests.cuda_check.variants import variants

        return variants(device, sizes)
    from tests.cuda_check.whole_run import whole_run

    return whole_run(device, sizes, out)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sections, print each row as it is there, then the table."""
    flags = _parser().parse_args(arguments)
    flags.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as unpacked:
        if flags.wheels is not None:
            for wheel in sorted(flags.wheels.glob("*.whl")):
                with zipfile.ZipFile(wheel) as archive:
                    archive.extractall(unpacked)
            sys.path.insert(0, unpacked)
        return _checked(flags)


def _checked(flags: argparse.Namespace) -> int:
    import torch

    from tests.cuda_check.rows import Row, table, write
    from tests.cuda_check.sizes import FULL, SMALL
    from unlearn.bench.timing import machine

    device, started, rows = torch.device(flags.device), time.perf_counter(), list[Row]()
    if device.type == "cuda" and not torch.cuda.is_available():
        print("torch finds no GPU; rehearse with --device cpu --small.", file=sys.stderr)
        return 2
    for section in flags.only or SECTIONS:
        for row in _rows(section, device, SMALL if flags.small else FULL, flags.out):
            rows.append(row)
            print(f"{time.perf_counter() - started:7.1f} s  {row.what}: {row.value}", file=sys.stderr, flush=True)
        if device.type == "cuda":
            torch.cuda.empty_cache()
    rows.append(Row("check", "time", time.perf_counter() - started, "s", most=None if flags.only else 180.0 if flags.small else 480.0))
    about = {**machine(), "device": str(device), "small": flags.small}
    text = "\n".join(f"{name}: {value}" for name, value in about.items()) + f"\n\n{table(rows)}\n"
    write(flags.out / "check.json", about, rows)
    (flags.out / "check.txt").write_text(text, "utf-8")
    print(text)
    return 1 if any(row.is_met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
