"""ImageNet-V2, Flowers-102, SUN397 and FaceScrub in folders as they were published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unlearn.errors import InputError
from unlearn.measure.data_sets.class_names import as_words, flower_classes, imagenet_classes, person_name
from unlearn.measure.data_sets.data_set import DataSet, of_files
from unlearn.measure.data_sets.folders import first_folder, pictures_in, visible_folders
from unlearn.photos.reader import BROKEN

_GENDERS, _KINDS = ("actors", "actresses"), ("images", "faces")  # of FaceScrub; whole pictures are taken before crops


def open_imagenet_v2(folder: Path) -> DataSet | None:
    """Folders 0 to 999, one a class, also where a single folder holds them; None for another layout."""
    inside = visible_folders(folder)
    if len(inside) == 1 and not inside[0].name.isdecimal():
        inside = visible_folders(inside[0])
    classes = imagenet_classes()
    numbers = [int(path.name) if path.name.isdecimal() and len(path.name) < 5 else len(classes) for path in inside]
    if len(numbers) < 2 or max(numbers) >= len(classes):
        return None
    folders = sorted(zip(numbers, inside, strict=True))
    return of_files("imagenet-v2", classes, [(number, file) for number, path in folders for file in pictures_in(path)])


def open_flowers(folder: Path) -> DataSet | None:
    """The pictures of the test part in jpg/, by imagelabels.mat and setid.mat; of all parts without the latter."""
    root = first_folder(folder, ("", "flowers-102"), lambda path: (path / "jpg").is_dir() and (path / "imagelabels.mat").is_file())
    if root is None:
        return None
    labels, kinds = _matlab_row(root / "imagelabels.mat", "labels"), flower_classes()
    has_parts = (root / "setid.mat").is_file()
    numbers = _matlab_row(root / "setid.mat", "tstid") if has_parts else list(range(1, len(labels) + 1))
    is_fitting = all(1 <= number <= len(labels) for number in numbers) and all(1 <= label <= len(kinds) for label in labels)
    if not is_fitting:
        raise InputError("imagelabels.mat and setid.mat of flowers-102 do not fit each other; unpack the data set again.")
    files = [(labels[number - 1] - 1, root / "jpg" / f"image_{number:05d}.jpg") for number in numbers]
    return of_files("flowers-102", kinds, files)


def _matlab_row(file: Path, name: str) -> list[int]:
    """The whole numbers of a variable of a MATLAB file."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        values: Any = loadmat(file, variable_names=[name])[name]
        return [int(value) for value in values.ravel()]
    except (MatReadError, *BROKEN) as error:
        raise InputError(f"{file.name} of flowers-102 cannot be read ({type(error).__name__}); unpack the data set again.") from None


def open_sun397(folder: Path) -> DataSet | None:
    """a/abbey/*.jpg, b/bazaar/indoor/*.jpg and so on; the classes are those of ClassName.txt, else those with pictures."""
    root = first_folder(folder, ("", "SUN397"), lambda path: any(_is_letter(inner) for inner in visible_folders(path)))
    if root is None:
        return None
    names, pictures = _listed_scenes(root / "ClassName.txt"), _scene_pictures(root)
    kinds = names or sorted(pictures)
    if unknown := len(pictures.keys() - set(kinds)):
        raise InputError(f"{unknown} folders of sun397 do not stand in its ClassName.txt; unpack the data set again.")
    if len(kinds) < 2:
        return None
    return of_files("sun397", [as_words(kind.replace("/", " ")) for kind in kinds],
                    [(number, file) for number, kind in enumerate(kinds) for file in pictures.get(kind, ())])  # fmt: skip


def _is_letter(path: Path) -> bool:
    return len(path.name) == 1 and path.name.isalpha()


def _listed_scenes(file: Path) -> list[str]:
    """Classes as "bazaar/indoor" in the order of ClassName.txt, whose lines begin with the letter's folder; none without the file."""
    if not file.is_file():
        return []
    try:
        return [line.strip().strip("/").partition("/")[2] for line in file.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise InputError("ClassName.txt of sun397 cannot be read; unpack the data set again.") from None


def _scene_pictures(root: Path) -> dict[str, list[Path]]:
    """Class as "bazaar/indoor" -> its pictures."""
    found: dict[str, list[Path]] = {}
    for letter in filter(_is_letter, visible_folders(root)):
        for scene in visible_folders(letter):
            for path in (scene, *visible_folders(scene)):
                if files := pictures_in(path):
                    found[path.relative_to(letter).as_posix()] = files
    return found


def open_facescrub(folder: Path) -> DataSet | None:
    """A folder for each person, also below actors/ and actresses/ and there below images/ or faces/."""
    people = people_folders(folder)
    if len(people) < 2:
        return None
    kinds = list(people)
    return of_files("facescrub", kinds, [(number, file) for number, name in enumerate(kinds) for file in pictures_in(people[name])])


def people_folders(folder: Path) -> dict[str, Path]:
    """Name of each person of FaceScrub -> folder of the photos."""
    roots = [path for gender in _GENDERS if (path := folder / gender).is_dir()] or [folder]
    people: dict[str, Path] = {}
    for root in roots:
        inner = first_folder(root, (*_KINDS, ""), Path.is_dir) or root
        people |= {person_name(path.name): path for path in visible_folders(inner) if pictures_in(path)}
    return people
