"""The seal of a run: its portraits are stamped, and the SHA-256 of its weights and pictures is written down with the time.

Whoever has noted the hash of the weights can tell later that a portrait came from these weights and no others (`runs.verification`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from unlearn.errors import InputError
from unlearn.files import file_hash, read_json_file
from unlearn.models.defended import CONFIG_NAME
from unlearn.runs.defended_files import DEFENDED, defended_files
from unlearn.runs.dial_records import Dial, Seal
from unlearn.runs.portraits import Portrait, write_png
from unlearn.runs.records import Drawing, PortraitEntry
from unlearn.runs.results import PORTRAITS, read_part, write_results
from unlearn.runs.stamps import Stamp, read_png


def seal_run(run: Path) -> Seal:
    """Stamp the portraits in a run's folder, and write seal.json on its weights and pictures as they are now."""
    entries: tuple[PortraitEntry, ...] = read_part(run, "portraits")
    dials: tuple[Dial, ...] = read_part(run, "dial")
    stamps = _stamps(run, entries, dials)
    for file, stamp in stamps.items():
        write_png(run / file, read_png(run / file), stamp.chunks())
    seal = Seal(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        weights=defended_files(run),
        pictures={file: file_hash(run / file) for file in sorted(stamps)},
        original_hash=next((entry.weights_hash for entry in entries if entry.model == "original"), None),
    )
    write_results(run, seal=seal)
    return seal


def defended_sha256(run: Path, weights_hash: str) -> str | None:
    """SHA-256 of the run's file that holds the defended weights with a hash; None where no file does.

    Raises:
        InputError: the description of the weights is missing or damaged.
    """
    content = read_json_file(run / DEFENDED / CONFIG_NAME)
    try:
        return next((str(row["sha256"]) for row in content["files"].values() if row["weights_hash"] == weights_hash), None)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{DEFENDED}/{CONFIG_NAME} of the run is damaged; run it again.") from error


def stamp_of(run: Path, drawings: Sequence[Drawing | Portrait]) -> Stamp | None:
    """A stamp for pictures that were drawn together by both models of a run, but for the seed and the model; None where one is missing."""
    hashes = {drawing.model: drawing.weights_hash for drawing in drawings}
    if len(hashes) < 2:
        return None
    return Stamp(0, "original", hashes["original"], hashes["defended"], defended_sha256(run, hashes["defended"]))


def chunks_of(stamp: Stamp | None, drawing: Drawing | Portrait) -> dict[str, str] | None:
    """The text chunks of one of the pictures of `stamp_of`."""
    return None if stamp is None else replace(stamp, seed=drawing.seed, model=drawing.model).chunks()


def _stamps(run: Path, entries: tuple[PortraitEntry, ...], dials: tuple[Dial, ...]) -> dict[str, Stamp]:
    """File -> its stamp, of the run's portraits and of those of the dial that lie between them."""
    stamp = stamp_of(run, entries)
    if stamp is None:
        return {}
    stamps = {f"{PORTRAITS}/{entry.file}": replace(stamp, seed=entry.seed, model=entry.model) for entry in entries}
    for dial in dials:
        for position in dial.positions:
            if position.picture is not None and position.picture not in stamps:
                stamps[position.picture] = replace(stamp, seed=dial.seed, model="between", share=position.share)
    return stamps
