"""Reads files of weights (safetensors, torch.save): names, shapes and kinds of numbers first, and says what a file is that is none.

What a model needs is compared in `diffusion_parts` and `clip_layouts`. Messages name a file by the last two parts of its path, because
they reach visitors of the page, and say which command helps. No code of a file is ever run (`torch_files`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from unlearn.errors import ModelLoadError, first_line
from unlearn.files import lfs_pointer, read_json_object
from unlearn.models.torch_files import TORCH_SUFFIXES, torch_tensors

if TYPE_CHECKING:
    from torch import Tensor

DIFFUSERS_BASE = "diffusion_pytorch_model"  # of the files of U-Net and decoder
TRANSFORMERS_BASE = "model"  # of those of a text encoder
PICKLED_BASES = {DIFFUSERS_BASE: DIFFUSERS_BASE, TRANSFORMERS_BASE: "pytorch_model"}  # of the same files written by torch.save
VARIANTS = ("fp16", "bf16", "fp32")  # in a file's name before ".safetensors", where the plain file is not there
SAFE_SUFFIX = ".safetensors"
SUFFIXES = (SAFE_SUFFIX, *TORCH_SUFFIXES)  # of files that are read
READ = "only .safetensors files and those of torch.save (.bin, .pt, .pth, .ckpt) are read"
OTHER_SUFFIXES = (".pkl", ".msgpack", ".h5", ".onnx", ".npz", ".gguf")
FLOATS = frozenset({"F64", "F32", "F16", "BF16"})  # those of 8 bits need factors that no file of this kind names
MAX_HEAD_BYTES = 100_000_000  # the library's own limit
AGAIN = "copy or download it again"
_KINDS = {"torch.float64": "F64", "torch.float32": "F32", "torch.float16": "F16", "torch.bfloat16": "BF16"}
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"\x80\x8a")  # a zip of torch.save, or what is in it


@dataclass(frozen=True)
class Stored:
    """One tensor of a file: its shape, and its kind of numbers as safetensors writes it ("F32", "F16", "BF16"...)."""

    shape: tuple[int, ...]
    kind: str = "F32"


@dataclass(frozen=True)
class PartFiles:
    """The weight files of a folder; whether they exist has still to be looked at.

    Attributes:
        files: one, or the shards of an index.
        variant: what stands in their names besides the library's own; None: nothing.
    """

    files: tuple[Path, ...]
    variant: str | None = None

    @property
    def is_safe(self) -> bool:
        """Whether these are safetensors files, as opposed to files of torch.save."""
        return self.files[0].suffix == SAFE_SUFFIX


def part_files(part: Path, base: str) -> PartFiles:
    """The weight files of a part of a model, under the names that its library looks for.

    Safetensors go before files of torch.save; a plain file or index before a variant.

    Raises:
        ModelLoadError: an index that cannot be read, or that names no files of its own folder.
    """
    for stem, suffix in ((base, SAFE_SUFFIX), (PICKLED_BASES[base], ".bin")):
        for variant in (None, *VARIANTS):
            mark = f".{variant}" if variant else ""
            file, index = part / f"{stem}{mark}{suffix}", part / f"{stem}{suffix}.index{mark}.json"
            if index.is_file() and (base == DIFFUSERS_BASE or not file.is_file()):  # diffusers goes by the index, transformers by the file
                return PartFiles(_shards(index, suffix), variant)
            if file.exists():
                return PartFiles((file,), variant)
    return PartFiles((part / f"{base}{SAFE_SUFFIX}",))


def _shards(index: Path, suffix: str) -> tuple[Path, ...]:
    shown = shown_name(index)
    file_of = read_json_object(index).get("weight_map")
    if not isinstance(file_of, dict) or not file_of:
        raise ModelLoadError(f"{shown} names no files of weights; {AGAIN}.")
    names = sorted({str(name) for name in file_of.values()})
    for name in names:
        if PurePosixPath(name).name != name or "\\" in name or not name.endswith(suffix):
            raise ModelLoadError(f"{shown} names {name[:80]!r}, which is no {suffix} file of its own folder; {AGAIN}.")
    return tuple(index.parent / name for name in names)


def shown_name(file: Path) -> str:
    """How a message names a file: with the folder that it lies in, and no more of its path."""
    return f"{file.parent.name}/{file.name}"


def files_of_other_formats(part: Path) -> list[str]:
    """Names of weight files in a folder that are not read, because of their format."""
    return sorted(file.name for file in part.glob("*") if file.suffix in OTHER_SUFFIXES)


def stored_tensors(file: Path, shown: str = "") -> dict[str, Stored]:
    """Names of a file's tensors, with their shapes; no numbers are read.

    Args:
        file: of any kind; what it is, if no weights, is told.
        shown: how messages name it; "": by its last two parts.

    Raises:
        ModelLoadError: missing, no file, a git-LFS pointer, of another format, cut off or damaged.
    """
    shown = shown or shown_name(file)
    _require_weights(file, shown)
    if file.suffix.lower() in TORCH_SUFFIXES:
        tensors = torch_tensors(file, shown, with_numbers=False)
        return {name: Stored(tuple(tensor.shape), _KINDS.get(str(tensor.dtype), str(tensor.dtype))) for name, tensor in tensors.items()}
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np") as opened:
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118  # no mapping
            stored = {name: Stored(tuple(found.get_shape()), str(found.get_dtype())) for name, found in slices.items()}
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelLoadError(f"{shown} is damaged ({_damage(file, error)}); {AGAIN}.") from error
    if not stored:
        raise ModelLoadError(f"{shown} holds no tensors; {AGAIN}.")
    return stored


def read_tensors(file: Path, shown: str = "") -> dict[str, Tensor]:
    """The tensors of a file that `stored_tensors` accepts, on the CPU, mapped into memory where the format allows."""
    if file.suffix.lower() in TORCH_SUFFIXES:
        return torch_tensors(file, shown or shown_name(file))
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(file))
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelLoadError(f"{shown or shown_name(file)} is damaged ({_damage(file, error)}); {AGAIN}.") from error


def tensors_of(files: Iterable[Path]) -> dict[str, Stored]:
    """`stored_tensors` of all files together."""
    return {name: found for file in files for name, found in stored_tensors(file).items()}


def require_floats(stored: Mapping[str, Stored], shown: str) -> None:
    """Raise `ModelLoadError` where weights are whole numbers or of a kind that only a library for them can unpack."""
    for name, found in stored.items():
        if found.kind not in FLOATS and len(found.shape) > 1:
            raise ModelLoadError(
                f"{shown} is quantised: its {name} holds {found.kind}, but weights have to be F32, F16 or BF16; give the file that it was "
                "made from."
            )


def _require_weights(file: Path, shown: str) -> None:
    """Raise `ModelLoadError` where the first bytes, or the system, tell that a file holds no safetensors."""
    if file.is_dir():
        raise ModelLoadError(f"{shown} is a folder where a file of weights belongs; give the file itself.")
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            start = opened.read(512)
    except OSError as error:
        raise ModelLoadError(f"{shown} cannot be read ({error.strerror or error}); check the path and the rights.") from error
    if not size:
        raise ModelLoadError(f"{shown} is damaged (it is empty); {AGAIN}.")
    if pointer := lfs_pointer(start):
        raise ModelLoadError(f"{shown} is {pointer} of {size} bytes and not the file itself; run `git lfs pull` in its repository.")
    is_pickle, suffix = start.startswith(_PICKLES), file.suffix.lower()
    if is_pickle and suffix == SAFE_SUFFIX:
        raise ModelLoadError(f"{shown} is named {SAFE_SUFFIX}, but is a file of torch.save; give it the ending .pt.")
    if not is_pickle and suffix in TORCH_SUFFIXES and start[8:9] == b"{":
        raise ModelLoadError(f"{shown} is named {suffix}, but is a safetensors file; give it the ending {SAFE_SUFFIX}.")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise ModelLoadError(f"{shown} is a web page and not the weights; download the file itself (/resolve/ in its address, not /blob/).")


def _damage(file: Path, error: BaseException) -> str:
    """What is wrong with a file that is no whole safetensors file, in a few words."""
    size = file.stat().st_size
    if size < 8:
        return f"cut off after {size} bytes"
    with file.open("rb") as opened:
        n_head = int.from_bytes(opened.read(8), "little")
        if n_head > MAX_HEAD_BYTES:
            return "its first bytes are not those of a safetensors file"
        head = opened.read(n_head)
    if len(head) < n_head:
        return f"cut off after {size} of more than {n_head + 8} bytes"
    try:
        ends = [row["data_offsets"][1] for name, row in json.loads(head).items() if name != "__metadata__"]
        expected = 8 + n_head + max(ends, default=0)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return "its first bytes are not those of a safetensors file"
    if size != expected:
        return f"{'cut off after' if size < expected else 'it has'} {size} {'of' if size < expected else 'instead of'} {expected} bytes"
    return first_line(error)


def difference(stored: Mapping[str, Stored], needed: Mapping[str, tuple[int, ...]], holder: str, needing: str) -> str | None:
    """What does not fit between a file and a model, as half a sentence with two values that differ; None: it fits.

    Args:
        stored: what the file holds, under the model's names.
        needed: shapes of all the model's tensors.
        holder: how the file is called, "its" not said.
        needing: how the model is called.
    """
    for name, shape in needed.items():
        if name in stored and stored[name].shape != shape:
            return f"{name} is {by(stored[name].shape)} in {holder}, but {by(shape)} in {needing}"
    missing = [name for name in needed if name not in stored]
    further = [name for name in stored if name not in needed]
    if missing and further:
        return f"{holder} has {further[0]}, which {needing} has not, and lacks {missing[0]} ({len(missing)} of {len(needed)} are missing)"
    if missing:
        return f"{holder} lacks {missing[0]}, which {needing} needs ({len(missing)} of {len(needed)} tensors are missing)"
    if further:
        return f"{holder} has {further[0]}, which {needing} has not ({len(further)} tensors too many)"
    return None


def by(shape: Iterable[int]) -> str:
    """A shape as text, such as 77 x 768."""
    return " x ".join(map(str, shape)) or "a single number"
