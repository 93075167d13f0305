"""Untrusted photos: right pixels or one clear sentence; nothing crashes, nothing stays, no name is told."""

import io
import os
import struct
import sys
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.support.photo_zoo import animated, bad_files, encoded, picture, png_header, sixteen_bit, turned, zipped
from unlearn.config import Settings
from unlearn.errors import ConfigError, InputError
from unlearn.photos import uploads
from unlearn.photos.reader import HEAD_BYTES, MAX_PIXELS, decode_photo, looks_like_photo, read_photo
from unlearn.photos.uploads import PhotoSource, UploadLimits, expand_upload, upload_limits

KINDS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "GIF", "BMP")


def what_is_wrong(source: PhotoSource, max_mb: int = 2) -> str:
    with pytest.raises(InputError) as caught:
        source.read(max_mb)
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_promised_kind_is_read(kind: str, tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(encoded(picture(3), kind))
    found = read_photo(tmp_path / "photo")
    assert found.shape == (96, 128, 3) and found.dtype == np.uint8 and found.flags["C_CONTIGUOUS"]
    assert np.abs(found.astype(int) - picture(3)).mean() < 12  # a GIF has 256 colours


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_respected(orientation: int) -> None:
    data = turned(picture(4), orientation, "PNG")
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert np.array_equal(decode_photo(data).pixels, np.asarray(expected))


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "HEIF", "AVIF"])
def test_photo_of_a_turned_camera_stands_upright(kind: str) -> None:
    original = picture(5)
    lying = np.ascontiguousarray(original.swapaxes(0, 1)[:, ::-1][::-1, ::-1])  # a quarter turn counter-clockwise
    found = decode_photo(turned(lying, 6, kind, quality=95)).pixels
    assert found.shape == original.shape
    assert np.abs(found.astype(int) - original).mean() < 8


def test_damaged_exif_does_not_cost_the_photo() -> None:
    good = encoded(picture(0), "JPEG")
    broken = good[:2] + b"\xff\xe1" + struct.pack(">H", 20) + b"Exif\0\0II*\0\xff\xff\xff\xff\xff\xff\xff\xff" + good[2:]
    assert decode_photo(broken).pixels.shape == (96, 128, 3)


def test_cmyk_becomes_rgb() -> None:
    ink = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    assert np.abs(decode_photo(encoded(ink, "JPEG", quality=95)).pixels.astype(int) - (255, 0, 0)).max() < 8


def test_sixteen_bit_grey_keeps_its_high_byte() -> None:
    found = decode_photo(encoded(Image.fromarray(sixteen_bit()))).pixels
    assert np.array_equal(found, np.repeat((sixteen_bit() >> 8).astype(np.uint8)[..., None], 3, axis=2))


def test_sixteen_bit_colour_is_read() -> None:
    import cv2

    wide = picture(6).astype(np.uint16) * 257
    data = cv2.imencode(".png", wide[:, :, ::-1])[1].tobytes()
    assert np.array_equal(decode_photo(data).pixels, picture(6))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_lie_on_white(mode: str) -> None:
    layer = Image.new("RGBA", (10, 10), (200, 0, 0, 0))
    layer.paste((0, 0, 0, 255), (0, 0, 5, 10))
    found = decode_photo(encoded(layer.convert(mode))).pixels
    assert (found[:, :5] == 0).all() and (found[:, 5:] == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_other_modes_become_rgb(mode: str) -> None:
    assert decode_photo(encoded(Image.fromarray(picture(7)).convert(mode))).pixels.shape == (96, 128, 3)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animation_gives_its_first_frame_and_says_so(kind: str) -> None:
    found = decode_photo(animated(kind))
    assert "first frame" in found.note
    assert np.abs(found.pixels.astype(int) - picture(1)).mean() < 12
    assert decode_photo(encoded(picture(1))).note == ""


@pytest.mark.parametrize("what", bad_files())
def test_bad_file_is_one_sentence_without_a_name(what: str, tmp_path: Path) -> None:
    data, sentence = bad_files()[what]
    (tmp_path / "Jane-Doe.jpg").write_bytes(data)
    (source,) = expand_upload([tmp_path / "Jane-Doe.jpg"]).sources
    told = what_is_wrong(source)
    assert sentence in told and "Jane" not in told and told.count(".") == 1 and told.endswith(".")
    with pytest.raises(InputError) as caught:
        read_photo(tmp_path / "Jane-Doe.jpg", 2)
    seen = "".join(map(str, (caught.value, caught.value.__cause__, repr(source))))
    assert "Jane" not in seen
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Jane-Doe.jpg"]


def test_heic_without_its_library_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(picture(0), "HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(InputError, match="need the package pillow-heif"):
        decode_photo(data)
    assert decode_photo(encoded(picture(0))).pixels.shape == (96, 128, 3)


def test_huge_picture_is_refused_before_it_is_decoded() -> None:
    tracemalloc.start()
    for size in (8_000, 20_000):
        with pytest.raises(InputError):
            decode_photo(png_header(size, size))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000 < MAX_PIXELS


@pytest.mark.parametrize("kind", KINDS)
def test_damage_anywhere_gives_pixels_or_a_sentence(kind: str) -> None:
    data, rng = encoded(picture(8), kind), np.random.default_rng(0)
    for _ in range(40):
        broken = bytearray(data[: rng.integers(1, len(data) + 1)])
        for place in rng.integers(0, len(broken), rng.integers(0, 8)):
            broken[place] = rng.integers(0, 256)
        try:
            assert decode_photo(bytes(broken)).pixels.ndim == 3
        except InputError as error:
            assert str(error).endswith(".")


def test_missing_file_folder_and_pipe_are_sentences(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder").mkdir()
    for path, part in ((tmp_path / "missing.jpg", "does not exist"), (tmp_path / "pipe.jpg", "no ordinary file")):
        (source,) = expand_upload([path]).sources
        assert part in what_is_wrong(source)
    with pytest.raises(InputError, match="folder, not a photo"):
        read_photo(tmp_path / "folder")
    assert expand_upload([tmp_path / "folder"]).sources == ()


def test_folder_gives_photos_by_name_and_notes_what_it_leaves_out(tmp_path: Path) -> None:
    for number, name in enumerate(("b.png", "a.PNG", "c.heic")):
        (tmp_path / name).write_bytes(encoded(np.full((8, 8 + number, 3), 100, np.uint8)))
    (tmp_path / "d.zip").write_bytes(zipped({"x/y/inner.png": encoded(np.zeros((8, 20, 3), np.uint8))}))
    for junk in (".DS_Store", "Thumbs.db", "notes.txt"):
        (tmp_path / junk).write_bytes(b"junk")
    (tmp_path / "more").mkdir()
    found = expand_upload([tmp_path])
    assert [source.read(2).pixels.shape[1] for source in found.sources] == [9, 8, 10, 20]
    assert [note.split(":")[1][1:7] for note in found.notes] == ["2 file", "1 file", "1 fold"]


def test_zip_keeps_order_and_skips_what_macos_and_windows_add(tmp_path: Path) -> None:
    photo = encoded(picture(0))
    members = {
        "photos/": b"", "photos/2.png": photo, "photos/1.png": photo, "__MACOSX/photos/._2.png": b"junk", "photos/.DS_Store": b"x",
        "photos/Thumbs.db": b"x", "list.txt": b"x",
    }  # fmt: skip
    (tmp_path / "all.zip").write_bytes(zipped(members))
    found = expand_upload([tmp_path / "all.zip"])
    assert [source.read(2).pixels.shape for source in found.sources] == [(96, 128, 3)] * 2
    assert [note.split(":")[1][1:7] for note in found.notes] == ["3 file", "1 file"]


def test_zip_inside_a_zip_is_told_not_opened(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"b.zip": zipped({"c.png": encoded(picture(0))}), "d.png": encoded(picture(0))}))
    inner, photo = expand_upload([tmp_path / "a.zip"]).sources
    assert "zip inside a zip" in what_is_wrong(inner)
    assert photo.read(2).pixels.shape == (96, 128, 3)


def test_zip_bomb_costs_no_more_than_a_photo(tmp_path: Path) -> None:
    (tmp_path / "bomb.zip").write_bytes(zipped({f"{n}.jpg": b"\0" * 100_000_000 for n in range(2)}))
    assert (tmp_path / "bomb.zip").stat().st_size < 300_000
    tracemalloc.start()
    for source in expand_upload([tmp_path / "bomb.zip"]).sources:
        assert "larger than 2 MB" in what_is_wrong(source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12_000_000


def test_zip_with_an_endless_table_of_contents_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = bytearray(zipped({"a.png": encoded(picture(0))}))
    end = short.rindex(b"PK\x05\x06")
    short[end + 12 : end + 16] = struct.pack("<I", 3_000_000_000)
    long = short[:end] + b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, 10**10, 0)
    long += b"PK\x06\x07" + struct.pack("<IQI", 0, end, 1) + zipped({})
    monkeypatch.setattr(zipfile, "ZipFile", None)  # whoever reads it now fails
    for data in (short, long):
        (tmp_path / "a.zip").write_bytes(data)
        (source,) = expand_upload([tmp_path / "a.zip"]).sources
        assert "too many files" in what_is_wrong(source)


def test_members_that_lie_lock_or_use_odd_packings_are_sentences(tmp_path: Path) -> None:
    photo = encoded(picture(0))
    plain = zipped({"a.png": photo}, zipfile.ZIP_STORED)
    table = plain.rindex(b"PK\x01\x02")
    locked, lying, damaged = bytearray(plain), bytearray(plain), bytearray(plain)
    locked[6] |= 1
    locked[table + 8] |= 1
    lying[table + 24 : table + 28] = struct.pack("<I", 10)
    damaged[200] ^= 255
    cases = (
        (bytes(locked), "password"), (bytes(lying), "damaged"), (bytes(damaged), "damaged"),
        (zipped({"a.png": photo}, zipfile.ZIP_LZMA), "unusual way"), (zipped({"a.png": photo}, zipfile.ZIP_BZIP2), "unusual way"),
        (plain[:-30], "cut off"), (b"PK\x03\x04" + b"\0" * 300, "cut off"), (zipped({"a.png": b""}), "empty"),
    )  # fmt: skip
    for data, sentence in cases:
        (tmp_path / "Jane.zip").write_bytes(data)
        (source,) = expand_upload([tmp_path / "Jane.zip"]).sources
        told = what_is_wrong(source)
        assert sentence in told and "Jane" not in told


def test_empty_zip_holds_nothing_and_odd_names_never_become_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "empty.zip").write_bytes(zipped({}))
    names = ("../../up.png", "/root.png", "..\\windows.png", "C:\\w.png", "a\x01b.png", "x" * 3000 + ".png")
    (tmp_path / "odd.zip").write_bytes(zipped(dict.fromkeys(names, encoded(picture(0)))))
    before = sorted(tmp_path.rglob("*"))
    found = expand_upload([tmp_path / "empty.zip", tmp_path / "odd.zip"]).sources
    assert [source.read(2).pixels.shape for source in found] == [(96, 128, 3)] * len(names)
    assert sorted(tmp_path.rglob("*")) == before  # nothing was unpacked, not even for a while


def test_too_many_photos_are_cut_off_with_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_PHOTOS", 3)
    (tmp_path / "a.zip").write_bytes(zipped({f"{n}.png": b"x" for n in range(5)}))
    found = expand_upload([tmp_path / "a.zip"])
    assert len(found.sources) == 3 and "first 3 photos" in found.notes[-1]


# --- told by the first bytes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_first_bytes_tell_a_photo(kind: str) -> None:
    assert looks_like_photo(encoded(picture(0), kind)[:HEAD_BYTES])


def test_other_kinds_are_not_taken_for_photos() -> None:
    film = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + b"\0" * 40
    others = (b"", b"BM", b"BMW is a car, not a picture", b"RIFF\0\0\0\0WAVEfmt ", film, b"%PDF-1.7", b"II*\0" * 8, b"<svg/>", zipped({}))
    assert not [head for head in others if looks_like_photo(head[:HEAD_BYTES])]
    assert looks_like_photo(b"\0\0\0\x20ftypmsf1\0\0\0\0msf1hevcmif1heic"), "a HEIC sequence"
    assert looks_like_photo(b"\0\0\0\x1cftypqt  \0\0\0\0miafheicqt  "), "what else can read it stands behind the first brand"


NAMES_OF_PHOTOS = ("a.jfif", "b.pjpeg", "c.HEICS", "d", "e.png.download", "f.JPG", "g.txt", "h.heic", "i.tmp", "j.PJP")


@pytest.mark.parametrize("packed", [False, True])
def test_ending_of_a_name_costs_no_photo(packed: bool, tmp_path: Path) -> None:
    photo = encoded(picture(0), "JPEG")
    others = {"notes.txt": b"words", "budget.xlsx": zipped({"media/1.png": photo}), "film": b"x" * 90}
    files = dict.fromkeys(NAMES_OF_PHOTOS, photo) | others
    if packed:
        (tmp_path / "ALL.ZIP").write_bytes(zipped(files))
    else:
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
    found = expand_upload([tmp_path])
    assert [source.read(2).pixels.shape for source in found.sources] == [(96, 128, 3)] * len(NAMES_OF_PHOTOS)
    assert found.notes == ("Left out: 3 files of another kind than photos.",)


def test_zip_is_known_by_its_first_bytes_too(tmp_path: Path) -> None:
    inner = zipped({"a.png": encoded(picture(0))})
    for name in ("photos", "photos.jpg", "PHOTOS.ZIP"):
        (tmp_path / name).write_bytes(inner)
    assert [source.read(2).pixels.shape for source in expand_upload([tmp_path]).sources] == [(96, 128, 3)] * 3
    (tmp_path / "outer.zip").write_bytes(zipped({"inner": inner}))
    (source,) = expand_upload([tmp_path / "outer.zip"]).sources
    assert "zip inside a zip" in what_is_wrong(source)


# --- the end is missing ----------------------------------------------------------------------------------------------

DETAILED = np.random.default_rng(3).integers(0, 100, (480, 320, 3), dtype=np.uint8)
JPEGS = {"baseline": {}, "progressive": {"progressive": True}, "full colour": {"subsampling": 0}, "restarts": {"restart_marker_rows": 1}}


@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS.keys())
def test_jpeg_that_lacks_its_end_is_read_and_half_a_one_is_not(options: dict[str, object]) -> None:
    data = encoded(DETAILED, "JPEG", quality=90, **options)
    whole = decode_photo(data)
    for n_missing in (1, 2):
        assert np.array_equal(decode_photo(data[:-n_missing]).pixels, whole.pixels)
    short = decode_photo(data[: -len(data) // 100])
    assert np.array_equal(short.pixels[:448], whole.pixels[:448]) or options.get("progressive")
    assert ("last rows are grey" in short.note) == (not options.get("progressive"))
    for share in (0.1, 0.3, 0.5):
        with pytest.raises(InputError, match="damaged or cut off"):
            decode_photo(data[: int(len(data) * share)])
    assert options.get("progressive") or "damaged" in what_is_wrong(PhotoSource(lambda max_mb: data[: len(data) * 9 // 10]))
    for behind in (b"\0" * 4000, b"\r\n", data):
        assert np.array_equal(decode_photo(data + behind).pixels, whole.pixels), "what stands behind the end is nobody's business"


def test_progressive_jpeg_without_its_last_scans_is_cut_off() -> None:
    data = encoded(DETAILED, "JPEG", progressive=True)
    starts = [place for place in range(len(data) - 1) if data[place : place + 2] == b"\xff\xda"]
    assert len(starts) > 5 and decode_photo(data[: (starts[-1] + 3 * len(data)) // 4]).pixels.shape == (480, 320, 3)
    for start in starts[1:]:
        with pytest.raises(InputError, match="damaged or cut off"):
            decode_photo(data[:start])


@pytest.mark.parametrize("kind", ["PNG", "HEIF", "BMP", "GIF"])
def test_other_kinds_may_lack_their_last_byte(kind: str) -> None:
    data = encoded(DETAILED, kind)
    changed = decode_photo(data[:-1]).pixels != decode_photo(data).pixels
    assert changed.sum() <= 1, "a BMP's last byte is of its first row"
    with pytest.raises(InputError, match="damaged or cut off"):
        decode_photo(data[: len(data) // 2])


def test_switch_of_the_whole_process_stays_as_it_is() -> None:
    from PIL import ImageFile

    decode_photo(encoded(DETAILED, "JPEG")[:-2])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


# --- limits ------------------------------------------------------------------------------------------------------------


def test_large_photo_is_left_out_and_the_others_are_used(tmp_path: Path) -> None:
    photo, large = encoded(picture(0)), encoded(picture(1)) + b"\0" * 3_000_000
    files = [tmp_path / name for name in ("1.png", "2.png", "3.png")]
    for file, data in zip(files, (photo, large, photo), strict=True):
        file.write_bytes(data)
    first, second, third = expand_upload(files, UploadLimits(2, 10, 10)).sources
    assert first.read(2).pixels.shape == third.read(2).pixels.shape == (96, 128, 3)
    assert what_is_wrong(second) == "This photo is larger than 2 MB; make it smaller."


def test_zip_may_be_larger_than_a_photo_and_its_photos_may_not(tmp_path: Path) -> None:
    rest = os.urandom(1_500_000)
    members = {f"{n}.png": encoded(picture(n)) + rest for n in range(4)} | {"5.png": encoded(picture(5)) + rest * 2}
    (tmp_path / "all.zip").write_bytes(zipped(members))
    *photos, large = expand_upload([tmp_path / "all.zip"], UploadLimits(2, 20, 20)).sources
    assert [photo.read(2).pixels.shape for photo in photos] == [(96, 128, 3)] * 4
    assert "larger than 2 MB" in what_is_wrong(large)
    (refused,) = expand_upload([tmp_path / "all.zip"], UploadLimits(2, 5, 20)).sources
    assert what_is_wrong(refused) == "This zip is larger than 5 MB; make several smaller ones."


def test_what_goes_beyond_all_together_is_told_file_by_file(tmp_path: Path) -> None:
    for name in ("1.png", "2.png", "3.png"):
        (tmp_path / name).write_bytes(encoded(picture(0)) + b"\0" * 800_000)
    (tmp_path / "4.png").write_bytes(b"\0" * 4_000_000)  # refused by itself, so it does not count
    (tmp_path / "5.png").write_bytes(encoded(picture(0)))
    first, second, third, large, last = expand_upload([tmp_path], UploadLimits(2, 2, 2)).sources
    assert [source.read(2).pixels.shape for source in (first, second, last)] == [(96, 128, 3)] * 3
    assert what_is_wrong(third) == "All files together are larger than 2 MB; this one was left out."
    assert "larger than 2 MB; make it smaller" in what_is_wrong(large)


def test_limits_reach_a_process_through_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("UPLOAD", "3"), ("ZIP", "40"), ("TOTAL", "50")):
        monkeypatch.setenv(f"UNLEARN_MAX_{name}_MB", value)
    limits = upload_limits(Settings.from_environment())
    assert limits == UploadLimits(3, 40, 50) and limits.file_bytes == 50_000_000
    for bad in ("0", "-3", "2.5", "many", "9" * 30):
        monkeypatch.setenv("UNLEARN_MAX_ZIP_MB", bad)
        with pytest.raises(ConfigError, match="(?i)max_zip_mb is"):
            Settings.from_environment()
    monkeypatch.setenv("UNLEARN_MAX_ZIP_MB", "")
    assert upload_limits(Settings.from_environment()).zip_mb == UploadLimits().zip_mb
    assert upload_limits(Settings()) == UploadLimits()
