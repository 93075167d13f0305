"""A Stable Diffusion 1.x in one file (.safetensors, .ckpt): written once as a folder of diffusers, which everything else reads.

diffusers' `from_single_file` converts U-Net and decoder. What it needs besides comes from here and not from the network: the
descriptions of the parts from the shapes of the tensors, the scheduler of Stable Diffusion 1.x, CLIP's own tokenizer.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock
from torch import Tensor

from unlearn.errors import ModelLoadError, first_line
from unlearn.files import disk_errors, require_space, write_json
from unlearn.models.clip_text_files import TEXT_PREFIX
from unlearn.models.diffusers_modules import FOREIGN, model_classes
from unlearn.models.one_file_parts import DECODER, TEXT, UNET, decoder_config, text_config, unet_config
from unlearn.models.weight_files import Stored, read_tensors, stored_tensors

FOLDER = "one-file"  # of `Settings.data_dir`
MAX_KEPT = 2
FORMAT = "1"
_SCHEDULER = {
    "_class_name": "PNDMScheduler", "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "skip_prk_steps": True,
    "steps_offset": 1, "set_alpha_to_one": False, "clip_sample": False, "num_train_timesteps": 1000,
}  # fmt: skip
_TO_FOLDER = "make a folder of it with diffusers, StableDiffusionPipeline.from_single_file(FILE).save_pretrained(FOLDER), and give that"


def folder_of_file(file: Path, data_dir: Path) -> Path:
    """The diffusers folder of a Stable Diffusion in one file; made at the first call, and again when the file has changed.

    Args:
        file: exists.
        data_dir: below it the folder is kept, in the precision of the file; the two used last stay.

    Raises:
        ModelLoadError: the file is damaged, or holds no Stable Diffusion 1.x.
        InputError: the disk is full.
    """
    status, kept = file.stat(), data_dir / FOLDER
    key = "\n".join(map(str, (FORMAT, file.resolve(), status.st_ino, status.st_size, status.st_mtime_ns)))
    folder = kept / hashlib.sha256(key.encode()).hexdigest()[:24]
    with disk_errors(str(kept)):
        kept.mkdir(parents=True, exist_ok=True)
    with FileLock(kept / ".lock"):
        if not folder.is_dir():
            stored = stored_tensors(file, file.name)
            _require_version_1(stored, file.name)
            require_space(kept, status.st_size)
            _write_whole(file, stored, folder)
        os.utime(folder)
        for old in sorted((path for path in kept.iterdir() if path.is_dir()), key=lambda path: -path.stat().st_mtime_ns)[MAX_KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
    return folder


def _require_version_1(stored: Mapping[str, Stored], file: str) -> None:
    """Raise where a file holds another model, or a part of one."""

    def has(start: str) -> bool:
        return any(name.startswith(start) for name in stored)

    if has("conditioner."):
        raise ModelLoadError(f"{file} is a Stable Diffusion XL; use one of version 1.x.")
    if has("cond_stage_model.model."):
        raise ModelLoadError(f"{file} is a Stable Diffusion 2.x, of which a file does not tell everything; {_TO_FOLDER}.")
    parts = {"U-Net": UNET, "decoder": DECODER, "text encoder": TEXT}
    if missing := [part for part, start in parts.items() if not has(start)]:
        there = f"it has no {' and no '.join(missing)}"
        raise ModelLoadError(f"{file} is no whole Stable Diffusion 1.x ({there}); give the whole model, or a folder of diffusers.")
    read = stored.get(f"{UNET}input_blocks.0.0.weight")
    if read is not None and len(read.shape) == 4 and read.shape[1] != 4:
        raise ModelLoadError(f"The U-Net of {file} reads {read.shape[1]} channels, as one for inpainting does; use a text-to-image model.")


def _write_whole(file: Path, stored: Mapping[str, Stored], folder: Path) -> None:
    partial = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with disk_errors(str(folder.parent)):
            _write(file, stored, partial)
            os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write(file: Path, stored: Mapping[str, Stored], folder: Path) -> None:
    try:
        configs = {"unet": unet_config(stored), "vae": decoder_config(stored), "text_encoder": text_config(stored)}
    except (LookupError, ValueError, TypeError) as error:
        reason = f"{type(error).__name__} {error}"
        raise ModelLoadError(f"The parts of {file.name} are not those of a Stable Diffusion 1.x ({reason}); {_TO_FOLDER}.") from error
    for part, config in configs.items():
        (folder / part).mkdir(parents=True)
        write_json(folder / part / "config.json", config)
    (folder / "scheduler").mkdir()
    write_json(folder / "scheduler" / "scheduler_config.json", _SCHEDULER)
    tensors = read_tensors(file, file.name)
    for part, start in (("unet", UNET), ("vae", DECODER)):
        _convert(part, {name: tensor for name, tensor in tensors.items() if name.startswith(start)}, folder, file.name)
    _write_text_encoder(tensors, folder)


def _convert(part: str, tensors: dict[str, Tensor], folder: Path, file: str) -> None:
    """Write U-Net or decoder; what the file lacks is told."""
    kind = next(iter(tensors.values())).dtype
    try:
        module = model_classes()[part].from_single_file(
            tensors, config=str(folder), subfolder=part, local_files_only=True, torch_dtype=kind
        )
    except FOREIGN as error:
        raise ModelLoadError(f"The {part} in {file} cannot be converted ({first_line(error)}); {_TO_FOLDER}.") from error
    if lacking := [name for name, tensor in module.state_dict().items() if tensor.is_meta]:
        raise ModelLoadError(f"The {part} in {file} lacks {lacking[0]} ({len(lacking)} tensors are missing); copy or download it again.")
    module.save_pretrained(folder / part)


def _write_text_encoder(tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Weights and tokenizer; the names get the prefix that published folders have."""
    from open_clip.tokenizer import SimpleTokenizer
    from safetensors.torch import save_file
    from transformers import CLIPTokenizer

    names = {name: name.removeprefix(TEXT).removeprefix(TEXT_PREFIX) for name in tensors if name.startswith(TEXT)}
    weights = {TEXT_PREFIX + name: tensors[key].contiguous() for key, name in names.items() if not name.endswith("position_ids")}
    save_file(weights, folder / "text_encoder" / "model.safetensors", metadata={"format": "pt"})
    own = SimpleTokenizer()
    special = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {special.get(token, token): number for token, number in own.encoder.items()}
    CLIPTokenizer(vocab=vocabulary, merges=list(own.bpe_ranks), model_max_length=77).save_pretrained(folder / "tokenizer")
