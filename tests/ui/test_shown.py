"""What a page was sent: only what is new, everything when asked, and turns that grow whatever happens."""

from __future__ import annotations

import copy
import time

from ui.page.shown import Shown


def answer(shown: Shown, panels: dict[int, str], everything: bool = False) -> dict[int, str]:
    shown.begin(everything)
    return {panel: value for panel, value in panels.items() if shown.is_news(panel, value)}


def test_only_what_is_new_is_sent() -> None:
    shown = Shown()
    assert answer(shown, {0: "a", 1: "b"}) == {0: "a", 1: "b"}
    assert answer(shown, {0: "a", 1: "c"}) == {1: "c"}
    assert answer(shown, {0: "a", 1: "c"}) == {}
    assert answer(shown, {0: "a", 1: "b"}) == {1: "b"}


def test_everything_is_sent_again_when_a_page_asks_for_it() -> None:
    shown = Shown()
    answer(shown, {0: "a", 1: "b"})
    shown.mark, shown.progress = "mark", 3
    assert answer(shown, {0: "a", 1: "b"}, everything=True) == {0: "a", 1: "b"}
    assert (shown.mark, shown.progress) == ("", -1)
    assert answer(shown, {0: "a", 1: "b"}) == {}


def test_turns_grow_by_one_and_over_a_restart() -> None:
    shown = Shown()
    first = shown.turn
    for n in range(1, 4):
        answer(shown, {}, everything=n == 2)
        assert shown.turn == first + n
    time.sleep(0.01)
    assert Shown().turn > shown.turn


def test_every_page_begins_with_a_blank_one() -> None:
    shown = Shown()
    answer(shown, {0: "a"})
    shown.memory = {"visitor": "ann", "job": ""}
    other = copy.deepcopy(shown)
    assert other.memory is None and answer(other, {0: "a"}) == {0: "a"}
