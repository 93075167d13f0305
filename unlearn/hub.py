"""The one door to the network: rows of data sets, files and folders of the Hugging Face Hub; only what a user chose is fetched.

What lies in the Hub's download cache is taken from there without a request.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from unlearn.errors import InputError, ModelLoadError, first_line
from unlearn.proxies import settle_proxies, why_unreachable

HUB_PREFIX = "hub:"
MAX_HUB_ROWS = 5_000_000  # looked at, should none be usable


def hub_column(source: str, what: str) -> Iterator[Any]:
    """The values of a column of a Hub data set's training part, streamed; as of `hub_columns`."""
    return (value for (value,) in hub_columns(source, what))


def hub_columns(source: str, what: str, n_columns: int = 1, split: str = "train") -> Iterator[tuple[Any, ...]]:
    """The rows of some columns of a part of a Hub data set, streamed.

    Args:
        source: "hub:owner/data-set:column", with a further column behind each further colon.
        what: they are, for messages: "captions", "images".
        n_columns: how many columns have to be named.
        split: the part.

    Raises:
        InputError: no such data set or column, no network, or the library `datasets` is not installed.
    """
    name, columns = _named_columns(source, what, n_columns)
    load_dataset = _loader(what)
    with _read_errors(name, columns, what):
        for row in islice(load_dataset(name, split=split, streaming=True), MAX_HUB_ROWS):
            yield tuple(row[column] for column in columns)


def hub_labelled(source: str, what: str, splits: Sequence[str]) -> tuple[tuple[str, ...] | None, Iterator[tuple[Any, Any]]]:
    """Pictures and their labels in two columns of a Hub data set, streamed, and what the data set calls the labels.

    Args:
        source: "hub:owner/data-set:image-column:label-column".
        what: they are, for messages.
        splits: names of parts, of which the first that there is is read.

    Returns:
        The names of labels that are numbers, in their order, or None where the data set does not tell; and the rows.

    Raises:
        InputError: as of `hub_columns`, also while rows are read; or none of the parts exists.
    """
    name, columns = _named_columns(source, what, 2)
    load_dataset = _loader(what)
    with _read_errors(name, columns, what):
        parts = load_dataset(name, streaming=True)
        split = next((split for split in splits if split in parts), None)
        if split is None:
            raise InputError(f"Hub data set {name} has none of the parts {', '.join(splits)}; name another.")
        feature = (getattr(parts[split], "features", None) or {}).get(columns[1])
        names = getattr(feature, "names", None)

    def rows() -> Iterator[tuple[Any, Any]]:
        with _read_errors(name, columns, what):
            for row in islice(parts[split], MAX_HUB_ROWS):
                yield row[columns[0]], row[columns[1]]

    return (tuple(map(str, names)) if names else None), rows()


def _named_columns(source: str, what: str, n_columns: int) -> tuple[str, list[str]]:
    """The data set and the columns that a source names."""
    name, _, column = source.removeprefix(HUB_PREFIX).partition(":")
    columns = column.split(":")
    if not name or not all(columns) or len(columns) != n_columns:
        wanted = "a column" if n_columns == 1 else f"{n_columns} columns"
        raise InputError(f"{source!r} does not name {wanted} of {what}; write hub:owner/data-set{':column' * n_columns}.")
    return name, columns


def _loader(what: str) -> Callable[..., Any]:
    """The function that opens data sets of the Hub."""
    try:
        load_dataset: Callable[..., Any] = import_module("datasets").load_dataset  # no requirement: only such sources need it
    except ImportError as error:
        raise InputError(
            f"{what.capitalize()} from the Hub need the library `datasets`, which is not installed; "
            f"install it with: {sys.executable} -m pip install datasets"
        ) from error
    settle_proxies()
    return load_dataset


@contextmanager
def _read_errors(name: str, columns: Sequence[str], what: str) -> Iterator[None]:
    """What the Hub's libraries raise while a data set is read, as one sentence."""
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import HTTPError  # the client library's

    column = ":".join(columns)
    try:
        yield
    except (HTTPError, ConnectionError, ImportError) as error:
        reason = why_unreachable(ENDPOINT) or f"gave no answer ({error})"
        raise InputError(f"The {what} of Hub data set {name}, column {column}, cannot be read: its host {reason}.") from error
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"The {what} of Hub data set {name}, column {column}, cannot be read: {error}.") from error


def hub_file(repository: str, file: str, places: Sequence[Path], offline: bool) -> Path:
    """A file of a model repository, from the download cache or from the network.

    Args:
        repository: "owner/name".
        file: its name there.
        places: that were searched before, for the message.
        offline: the network may not be used.

    Raises:
        ModelLoadError: not in the cache, and the network may not or cannot be used, or the download fails.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError  # the former is the client library's

    try:
        return Path(hf_hub_download(repository, file, local_files_only=True))
    except LocalEntryNotFoundError:
        _require_network(f"{file} of {repository}", places, offline)
    try:
        return Path(hf_hub_download(repository, file))
    except (HTTPError, OSError, ValueError, ImportError) as error:
        raise ModelLoadError(f"Downloading {file} of {repository} failed: {first_line(error)}") from error


def hub_folder(
    repository: str, patterns: Sequence[str], is_complete: Callable[[Path], bool], places: Sequence[Path], offline: bool,
    ignored: Sequence[str] = (),
) -> Path:  # fmt: skip
    """A folder with the files of a model repository, from the download cache or from the network.

    Args:
        repository: "owner/name".
        patterns: of the files that are needed.
        is_complete: whether a folder of the cache can be used; half a download cannot.
        places, offline: as for `hub_file`.
        ignored: patterns of files that are not needed.

    Raises:
        ModelLoadError: as of `hub_file`.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError  # the former is the client library's

    try:
        folder = Path(snapshot_download(repository, allow_patterns=list(patterns), local_files_only=True))
        if is_complete(folder):
            return folder
    except LocalEntryNotFoundError:
        pass
    _require_network(repository, places, offline)
    try:
        return Path(snapshot_download(repository, allow_patterns=list(patterns), ignore_patterns=list(ignored)))
    except (HTTPError, OSError, ValueError, ImportError) as error:
        raise ModelLoadError(f"Downloading {repository} failed: {first_line(error)}") from error


def _require_network(what: str, places: Sequence[Path], offline: bool) -> None:
    """Raise `ModelLoadError` at once where the network may not or cannot be used."""
    from huggingface_hub import constants

    looked = ", ".join([*(str(place) for place in places), f"the download cache {constants.HF_HUB_CACHE}"])
    advice = (
        f"Looked in {looked}. Run once with a network, or copy it there from a machine that has it "
        "(UNLEARN_MODELS_DIR names the models folder)."
    )
    if offline or constants.HF_HUB_OFFLINE:
        raise ModelLoadError(f"{what} is not on this machine, and the program runs offline. {advice}")
    if reason := why_unreachable(constants.ENDPOINT):
        raise ModelLoadError(f"{what} is not on this machine, and its host {reason}. {advice}")
