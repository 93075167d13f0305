"""The exceptions of the project.

    Exception
    ├── UnlearnError            everything a user can cause or mend; a command line exits 2 with its message
    │   ├── ConfigError         a setting outside its range, settings that exclude each other
    │   ├── InputError          names, captions, photos, files that cannot be used
    │   ├── ModelLoadError      weights or tokenizers that are missing, unreadable or do not fit
    │   └── OutOfMemory         the memory of the machine or of its GPU did not suffice (`failures` recognises it)
    └── JobCancelled            raised by `report` when a user asked to stop; not an error

A message says what is wrong, the value seen, and what to do about it.
"""


class UnlearnError(Exception):
    """Base of all errors that are shown to a user as one line, without a traceback."""


class ConfigError(UnlearnError):
    """A setting is outside its range or contradicts another one."""


class InputError(UnlearnError):
    """A name, a caption, a photo or a file given by the user cannot be used."""


class ModelLoadError(UnlearnError):
    """Weights, a tokenizer or a model folder are missing, unreadable or do not match."""


class OutOfMemory(UnlearnError):
    """The memory of the machine or of its GPU did not suffice."""


class JobCancelled(Exception):
    """Raised inside the work when the user asked to stop; no `UnlearnError`: nobody may swallow it."""


def first_line(error: BaseException) -> str:
    """The first line of what an error of another library says, without a full stop; the name of its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
