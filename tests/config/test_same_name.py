"""One rule says whether two texts are the same name: a table of spellings, at every door where names are compared."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from unlearn.attacks.gallery import _Seats
from unlearn.config import ForgetConfig, Person, is_same_name, name_key
from unlearn.defence.text_task import kept_names
from unlearn.errors import InputError
from unlearn.models.worlds import World
from unlearn.runs.photos import photos_of
from unlearn.texts.names import bystander_names, candidate_names

ROOT = Path(__file__).parent.parent.parent
NAME = "Griffin O'Brien-Voß"
SPELLINGS = [
    "griffin o'brien-voß", "GRIFFIN O'BRIEN-VOSS", "  Griffin \u00a0 O'Brien-Voß ", "Griffin O\u2019Brien-Voß", "Griffin O`Brien-Voß",
    "Griffin O&#39;Brien-Voß", "Griffin O'Brien\u2011Voß", "Griffin O'Brien\u2013Voß", "Gri\ufb03n O'Brien-Voß",
    "Ｇｒｉｆｆｉｎ\u3000O'Brien-Voß", "Grif\u00adfin O'Brien\u200b-Voß",
]  # fmt: skip
OTHERS = ["Griffin OBrien-Voß", "Griffin O'Brien", "Griffin O'Brien-Vos", "Griffiñ O'Brien-Voß"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Somebody of this name, and before that somebody else who has it as an alias."""
    folder = tmp_path_factory.mktemp("world")
    other, named = ({"name": name, "gender": "f", "aliases": aliases} for name, aliases in (("Ann Lee", [NAME, "Coco"]), (NAME, ["Grif"])))
    content = {"members": [other, named], "strangers": [], "kinds": []}
    (folder / "world.json").write_text(json.dumps(content), "utf-8")
    return World(folder)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spelling_is_the_same_name_at_every_door(spelling: str, world: World, tmp_path: Path) -> None:
    assert is_same_name(spelling, NAME) and Person(NAME, ("Boss",)).goes_by(spelling)
    inhabitant = world.find(spelling)
    assert inhabitant is not None and inhabitant.index == 1, "a name goes before another's alias"
    assert Person(NAME, (spelling,)).aliases == ()
    with pytest.raises(InputError, match="twice"):
        ForgetConfig((Person("Ann Lee", (spelling,)), Person(NAME)))
    with pytest.raises(InputError, match="equals the neutral term"):
        ForgetConfig((Person(NAME),), neutral_term=spelling)
    assert candidate_names([spelling, NAME], 1, seed=0) == [spelling]
    people = tmp_path / "people.txt"
    people.write_text(f"{spelling.strip()}|Grif\nAnn Lee|Coco\n", "utf-8")
    assert kept_names(str(people), [NAME]) == ["Ann Lee", "Coco"]
    assert photos_of({NAME: "the photos"}, [Person(NAME)], spelling) == "the photos"  # type: ignore[dict-item,comparison-overlap]


@pytest.mark.parametrize("other", OTHERS)
def test_other_name_is_another_at_every_door(other: str, world: World) -> None:
    assert not is_same_name(other, NAME) and world.find(other) is None
    assert Person(NAME, (other,)).aliases == (other,)
    assert sorted(candidate_names([other, NAME], 2, seed=0)) == sorted([other, NAME])


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_name_in_another_spelling_takes_its_own_place_among_the_candidates(spelling: str) -> None:
    seats = _Seats(["Ann Lee", NAME, "Bo Li"], [])
    seats.give(spelling)
    assert seats.replaced == {1: spelling}


def test_bystander_is_nobody_to_forget_in_another_spelling() -> None:
    (drawn,) = bystander_names(["Madonna"], 1, seed=0)
    assert not is_same_name(bystander_names([drawn.upper().replace(" ", "\u00a0")], 1, seed=0)[0], drawn)


@pytest.mark.parametrize("text", ["", " ", "A\tB", "|", "\ud800", "x" * 5000])
def test_what_cannot_be_a_name_is_compared_all_the_same(text: str) -> None:
    assert not is_same_name(text, NAME) and name_key(text) == name_key(text)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_page_marks_a_picked_person_by_the_same_rule() -> None:
    script = (ROOT / "ui" / "page" / "page.js").read_text("utf-8")
    found = re.search(r"  const SIGNS = .*?(?=\n\n  function write)", script, re.DOTALL)
    assert found is not None
    texts = [NAME, *(text for text in SPELLINGS if "&" not in text), *OTHERS]  # escaped signs are a matter of the server
    program = f"{found.group()}\nconsole.log(JSON.stringify({json.dumps(texts)}.map(nameOf)))"
    done = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [name_key(text) for text in texts]
