"""Plain values to settings: kinds are taken as they are or refused, and no message repeats a value."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import pytest

from unlearn.config import EarlyStop, ForgetConfig, ImageFineTuneConfig, PortraitConfig, TextFineTuneConfig
from unlearn.config.plain_values import checked, checked_among, field_value, from_plain
from unlearn.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    size: int


@dataclass(frozen=True)
class Outer:
    inner: Inner
    names: tuple[str, ...] = ()
    switch: bool = False
    more: tuple[Inner, ...] = ()
    maybe: Inner | None = None


def test_from_plain_builds_dataclasses_within_dataclasses() -> None:
    values = {"inner": {"size": 2}, "names": ["a"], "switch": True, "more": [{"size": 3}], "maybe": None}
    assert from_plain(Outer, values, "") == Outer(Inner(2), ("a",), True, (Inner(3),))
    assert from_plain(Outer, {"inner": Inner(1)}, "") == Outer(Inner(1))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"inner": {"size": "SECRET"}}, "The setting inner.size takes a whole number"),
        ({"inner": {"size": True}}, "inner.size takes a whole number"),
        ({"inner": {}}, "inner.size is missing"),
        ({"inner": 3}, "inner takes an object with fields out of size"),
        ({}, "inner is missing"),
        ({"inner": {"size": 1}, "names": "SECRET"}, "names takes a list, each text"),
        ({"inner": {"size": 1}, "names": ["a", 1]}, r"names\[1\] takes text"),
        ({"inner": {"size": 1}, "more": [{"size": 1.5}]}, r"more\[0\].size takes a whole number"),
        ({"inner": {"size": 1}, "switch": 1}, "switch takes true or false"),
        ({"inner": {"size": 1}, "colour": 1}, "colour does not exist; use one of inner, names, switch, more, maybe"),
        ([], "The setting takes an object"),
    ],
)
def test_from_plain_what_does_not_fit_is_told_by_its_place_alone(values: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        from_plain(Outer, values, "The setting ")
    assert "SECRET" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "name", "value", "expected"),
    [
        (TextFineTuneConfig, "lr_milestones", [2, 5], (2, 5)),
        (TextFineTuneConfig, "learning_rate", 1, 1),
        (TextFineTuneConfig, "captions", None, None),
        (TextFineTuneConfig, "early_stop", {"every": 5}, EarlyStop(every=5)),
        (TextFineTuneConfig, "trainable", "all", "all"),
        (ImageFineTuneConfig, "face_share", [0.2, 0.5], (0.2, 0.5)),
        (PortraitConfig, "scheduler", "DDIMScheduler", "DDIMScheduler"),
    ],
)
def test_field_value_of_the_right_kind_is_taken(kind: type, name: str, value: object, expected: object) -> None:
    assert field_value(kind, name, value, "") == expected


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (TextFineTuneConfig, "n_steps", 2.5),
        (TextFineTuneConfig, "n_steps", None),
        (TextFineTuneConfig, "learning_rate", "1e-4"),
        (TextFineTuneConfig, "regularization_weight", float("inf")),
        (TextFineTuneConfig, "backdoor_weight", float("nan")),
        (TextFineTuneConfig, "trainable", "none"),
        (TextFineTuneConfig, "lr_milestones", "2,5"),
        (TextFineTuneConfig, "early_stop", "off"),
        (TextFineTuneConfig, "captions", 3),
        (ImageFineTuneConfig, "face_share", [0.1, 0.2, 0.3]),
        (PortraitConfig, "seeds", [1.5]),
        (PortraitConfig, "prompt_template", None),
    ],
)
def test_field_value_of_another_kind_raises(kind: type, name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"--x {name}.* takes"):
        field_value(kind, name, value, "--x ")


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (list[str], ["a"], ["a"]), (list[list[dict[str, Any]]], [[{"path": 1}]], [[{"path": 1}]]), (list[int] | str, "3", "3"),
        (list[int] | str, [3], [3]), (list[str] | None, None, None), (dict[str, Any] | None, {"a": []}, {"a": []}),
        (int, 2**63 - 1, 2**63 - 1),
        (str, "😀", "😀"),
    ],
)  # fmt: skip
def test_checked_lists_objects_and_unions_are_taken_as_they_are(hint: Any, value: Any, expected: Any) -> None:
    assert checked(hint, value, "x") == expected


@pytest.mark.parametrize(
    ("hint", "value", "words"),
    [
        (list[str], "SECRET", "^x takes a list, each text"), (list[str], ["a", ["SECRET"]], r"^x\[1\] takes text"),
        (list[str] | None, {"SECRET": 1}, "^x takes a list, each text or none"), (dict[str, Any], ["SECRET"], "^x takes an object"),
        (list[dict[str, Any]], ["SECRET"], r"^x\[0\] takes an object"),
        (list[int] | str, [1.5], "^x takes a list, each a whole number or text"),
        (int, 2**63, "more than 64 bits"), (int, True, "a whole number"), (str, "SECRET\ud800", "half of a surrogate"),
        (dict[str, Any], {"SECRET\udfff": 1}, "^A key of x holds"), (dict[str, Any], {3: 1}, "^A key of x takes text"),
        (float, 10**400, "a number"), (float, float("nan"), "a number"), (str, None, "takes text"),
    ],
)  # fmt: skip
def test_checked_what_does_not_fit_is_told_by_its_place_alone(hint: Any, value: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        checked(hint, value, "x")
    assert "SECRET" not in str(error.value)


@pytest.mark.parametrize("name", ["Ann Lee", "x" * 1000, "a\ud800", ""])
def test_unknown_field_that_may_be_somebodys_name_is_not_repeated(name: str) -> None:
    with pytest.raises(ConfigError, match="^settings.A field does not exist; use one of a, b"):
        checked_among({"a": int, "b": str}, name, 1, "settings.")


def test_every_setting_of_a_run_can_be_told_by_kind() -> None:
    """A field whose annotation this module does not know would refuse all values."""
    for kind in (ForgetConfig, TextFineTuneConfig, ImageFineTuneConfig, PortraitConfig, EarlyStop):
        for field in dataclasses.fields(kind):
            if field.default is not dataclasses.MISSING:
                assert field_value(kind, field.name, field.default, "") == field.default
