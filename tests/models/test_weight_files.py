"""Files that are no weights are told by what they are, before anything is read from them; a path of this machine is never named."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from unlearn.errors import ModelLoadError
from unlearn.files import read_json_object
from unlearn.models.weight_files import DIFFUSERS_BASE, TRANSFORMERS_BASE, Stored, difference, part_files, stored_tensors

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 605143316\n"
NO_WEIGHTS = {
    "pointer": (POINTER, r"git-LFS pointer of 134 bytes.*`git lfs pull`"),
    "empty": (b"", "it is empty"),
    "page": (b"\n<!DOCTYPE html><title>404</title>", "web page.*/resolve/"),
    "zip of torch.save": (b"PK\x03\x04" + b"x" * 300, r"torch\.save; give it the ending \.pt"),
    "pickle": (b"\x80\x02}q\x00." + b"x" * 300, "a file of torch.save"),
    "text": (b"these are no weights at all" * 9, "not those of a safetensors file"),
    "no head": ((20).to_bytes(8, "little") + b"x" * 300, "not those of a safetensors file"),
    "three bytes": (b"abc", "cut off after 3 bytes"),
    "head cut": ((5000).to_bytes(8, "little") + b'{"a"', "cut off after 12 of more than 5008 bytes"),
}


@pytest.mark.parametrize("what", NO_WEIGHTS)
def test_file_that_is_no_safetensors_is_told_by_what_it_is(what: str, tmp_path: Path) -> None:
    content, words = NO_WEIGHTS[what]
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "w.safetensors").write_bytes(content)
    with pytest.raises(ModelLoadError, match=words) as caught:
        stored_tensors(tmp_path / "unet" / "w.safetensors")
    assert str(caught.value).startswith("unet/w.safetensors is ")
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(("change", "words"), [(-1, r"cut off after \d+ of \d+ bytes"), (3, r"it has \d+ instead of \d+ bytes")])
def test_file_of_another_length_is_told_with_both_lengths(change: int, words: str, tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    save_file({"a": torch.zeros(3, 2)}, file)
    assert stored_tensors(file) == {"a": Stored((3, 2), "F32")}
    content = file.read_bytes()
    file.write_bytes(content[:change] if change < 0 else content + b"x" * change)
    with pytest.raises(ModelLoadError, match=words):
        stored_tensors(file)


def test_folder_and_nothing_are_told(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").mkdir()
    with pytest.raises(ModelLoadError, match="is a folder"):
        stored_tensors(tmp_path / "w.safetensors")
    with pytest.raises(ModelLoadError, match="No such file"):
        stored_tensors(tmp_path / "no.safetensors")


@pytest.mark.parametrize("base", [DIFFUSERS_BASE, TRANSFORMERS_BASE])
def test_plain_file_goes_before_a_variant_and_a_variant_before_nothing(base: str, tmp_path: Path) -> None:
    assert part_files(tmp_path, base).files == (tmp_path / f"{base}.safetensors",)
    variant = tmp_path / f"{base}.fp16.safetensors"
    variant.touch()
    assert (part_files(tmp_path, base).files, part_files(tmp_path, base).variant) == ((variant,), "fp16")
    (tmp_path / f"{base}.safetensors").touch()
    assert part_files(tmp_path, base).variant is None
    (tmp_path / f"{base}.safetensors").unlink()
    index = tmp_path / f"{base}.safetensors.index.fp16.json"
    index.write_text(json.dumps({"weight_map": {"a": f"{base}.fp16-00001-of-00001.safetensors"}}))
    variant.unlink()
    assert part_files(tmp_path, base).files == (tmp_path / f"{base}.fp16-00001-of-00001.safetensors",)


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/passwd", "a/b.safetensors", "..\\x.safetensors", "x.bin", "", 3, None])
def test_index_that_leads_out_of_its_folder_is_refused(name: object, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(ModelLoadError, match=r"is no \.safetensors file of its own folder"):
        part_files(tmp_path, TRANSFORMERS_BASE)


def test_json_that_is_a_pointer_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_bytes(POINTER)
    with pytest.raises(ModelLoadError, match=r"vocab\.json is a git-LFS pointer.*`git lfs pull`"):
        read_json_object(tmp_path / "vocab.json")


def test_difference_names_two_values() -> None:
    needed = {"a": (2, 3), "b": (4,)}
    assert difference({"a": Stored((2, 3)), "b": Stored((4,))}, needed, "the file", "the model") is None
    assert difference({"a": Stored((2, 2)), "b": Stored((4,))}, needed, "the file", "it") == "a is 2 x 2 in the file, but 2 x 3 in it"
    assert "lacks b" in str(difference({"a": Stored((2, 3))}, needed, "the file", "it"))
    assert "has c" in str(difference({"a": Stored((2, 3)), "b": Stored((4,)), "c": Stored(())}, needed, "the file", "it"))
