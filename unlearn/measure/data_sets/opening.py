"""Opens a data set by its name, from a folder or from the Hub; nothing is decoded yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from unlearn.config.zero_shot import DataSetName, ZeroShotSource
from unlearn.errors import InputError
from unlearn.hub import HUB_PREFIX
from unlearn.measure.data_sets.cifar import open_cifar
from unlearn.measure.data_sets.data_set import DataSet
from unlearn.measure.data_sets.hub_rows import open_hub
from unlearn.measure.data_sets.layouts import open_facescrub, open_flowers, open_imagenet_v2, open_sun397

LAYOUTS: dict[DataSetName, tuple[Callable[[Path], DataSet | None], str]] = {
    "imagenet-v2": (open_imagenet_v2, "folders 0 to 999, one a class, as in imagenetv2-matched-frequency-format-val"),
    "cifar10": (partial(open_cifar, "cifar10"), "cifar-10-batches-py, cifar-10-batches-bin, or ten folders of pictures, one a class"),
    "cifar100": (partial(open_cifar, "cifar100"), "cifar-100-python, cifar-100-binary, or a hundred folders of pictures, one a class"),
    "flowers-102": (open_flowers, "jpg/image_00001.jpg and so on, imagelabels.mat and setid.mat"),
    "sun397": (open_sun397, "a/abbey/, b/bazaar/indoor/ and so on, and ClassName.txt"),
    "facescrub": (open_facescrub, "a folder of pictures for each person, which may lie in actors/images/ and actresses/images/"),
}


def require_folders(sources: Sequence[ZeroShotSource]) -> None:
    """Raise `InputError` where the folder of a source does not exist; looks at nothing else."""
    for source in sources:
        if not source.source.startswith(HUB_PREFIX) and not Path(source.source).is_dir():
            raise InputError(f"The folder given for {source.data_set} does not exist; check the path.")


def open_data_set(source: ZeroShotSource) -> DataSet:
    """The data set of a source.

    Raises:
        InputError: the folder is missing, has another layout, holds no pictures or damaged lists; or as of `open_hub`.
    """
    if source.source.startswith(HUB_PREFIX):
        return open_hub(source)
    require_folders([source])
    folder, (opened, layout) = Path(source.source), LAYOUTS[source.data_set]
    try:
        data_set = opened(folder)
    except OSError as error:
        raise InputError(f"The folder given for {source.data_set} cannot be read ({error.strerror}); check the path.") from None
    if data_set is None:
        raise InputError(f"The folder given for {source.data_set} does not have its layout; it should hold {layout}.")
    return data_set


def open_data_sets(sources: Sequence[ZeroShotSource]) -> tuple[DataSet, ...]:
    """The data sets of all sources; errors as of `open_data_set`."""
    return tuple(open_data_set(source) for source in sources)
