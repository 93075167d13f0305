"""A name in the forms in which somebody may try it: parts, initials, titles, misspellings, other letters. Strings only."""

from __future__ import annotations

import random
import string
from collections.abc import Iterable, Sequence

TITLES = ("Mr", "Mrs", "Ms", "Dr", "Professor", "Sir", "Lady", "Herr", "Frau", "Monsieur", "Madame", "Señor", "Señora")
N_MISSPELLED = 12  # at each edit distance, among whole forms
ZERO_WIDTH = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad")
_CYRILLIC_LOOKS = str.maketrans("aceopxyABCEHKMOPTX", "асеорхуАВСЕНКМОРТХ")
_GREEK_LOOKS = str.maketrans("oviuABEHIKMNOPTXYZ", "ονιυΑΒΕΗΙΚΜΝΟΡΤΧΥΖ")
_FULL_WIDTH = {ord(letter): ord(letter) + 0xFEE0 for letter in string.ascii_letters}
_ACCENTS = str.maketrans("aeiouncAEIOUNC", "áéíóúñçÁÉÍÓÚÑÇ")
_DIGITS = str.maketrans("aeiostAEIOST", "431057431057")
_CYRILLIC = {
    "sch": "щ", "sh": "ш", "ch": "ч", "zh": "ж", "th": "т", "ph": "ф", "ck": "к", "qu": "кв", "ya": "я", "yu": "ю", "x": "кс",
    **dict(zip("abcdefghijklmnopqrstuvwyz", "абкдефгхийклмнопкрстуввыз", strict=True)),
}  # fmt: skip
_GREEK = {
    "th": "θ", "ph": "φ", "ch": "χ", "ps": "ψ", "qu": "κ",
    **dict(zip("abcdefghijklmnopqrstuvwxyz", "αβκδεφγηιζκλμνοπκρστυβωξυζ", strict=True)),
}  # fmt: skip
_SOUNDS = (
    ("ph", "f"), ("ck", "k"), ("c", "k"), ("y", "i"), ("i", "y"), ("w", "v"), ("v", "f"), ("z", "s"), ("s", "z"), ("ll", "l"), ("qu", "kw"),
)  # fmt: skip


def name_forms(name: str, n_misspelled: int, seed: int) -> list[str]:
    """Forms of a name, none of which is the name itself, each once.

    Args:
        name: of one or more words.
        n_misspelled: misspellings at edit distance 1, and as many at distance 2.
        seed: draws the misspellings.
    """
    words = name.split()
    forms = [*_parts(words), *_titled(words), *_spaced(words), *_cased(name), *_other_letters(name), *_broken(words)]
    forms += [*_by_sound(name), *misspellings(name, n_misspelled, 1, seed), *misspellings(name, n_misspelled, 2, seed)]
    return [form for form in dict.fromkeys(forms) if form.strip() and form != name]


def whole_forms(name: str, n_forms: int, seed: int) -> list[str]:
    """At most `n_forms` forms that mean the same person, some of each kind; first names and initials alone are left out, as many have them.

    Args:
        name: of one or more words.
        n_forms: 0 or more.
        seed: draws misspellings, other ones than `name_forms` draws from the same seed.
    """
    words = name.split()
    shared = {words[0], " ".join(f"{word[0]}." for word in words), "".join(word[0] for word in words)} if len(words) > 1 else set()
    forms = [form for form in name_forms(name, N_MISSPELLED, -1 - seed) if form not in shared]
    return forms if len(forms) <= n_forms else [forms[number * len(forms) // n_forms] for number in range(n_forms)]


def _parts(words: Sequence[str]) -> Iterable[str]:
    """Words alone, in another order, and initials."""
    if len(words) < 2:
        return ()
    first, rest, last = words[0], " ".join(words[1:]), words[-1]
    initials = [word[0] for word in words]
    return (
        first, last, f"{rest} {first}", f"{rest}, {first}", f"{first[0]}. {rest}", f"{first} {last[0]}.",
        " ".join(f"{initial}." for initial in initials), "".join(initials), f"{first} J. {rest}",
        f"{first} {first} {rest}", f"{first} and {last}",
    )  # fmt: skip


def _titled(words: Sequence[str]) -> Iterable[str]:
    name, last = " ".join(words), words[-1]
    return (*(f"{title} {last}" for title in TITLES if len(words) > 1), *(f"{title} {name}" for title in TITLES[:6]),
            f"{name} Jr.", f"{name}'s", f"the {name}", f"{name} himself", f"young {name}", f"old {name}")  # fmt: skip


def _spaced(words: Sequence[str]) -> Iterable[str]:
    joined = "".join(words)
    signs = ("", "-", "_", ".", "/", " - ", "\u2011")
    return (*(sign.join(words) for sign in signs), f"@{joined.lower()}", f"#{joined}", f"{joined.lower()}.jpg", f'"{" ".join(words)}"',
            " ".join(" ".join(word) for word in words))  # fmt: skip


def _cased(name: str) -> Iterable[str]:
    return name.upper(), name.lower(), name.swapcase()


def _other_letters(name: str) -> Iterable[str]:
    """Look-alike letters, invisible characters, other scripts."""
    tables = (_CYRILLIC_LOOKS, _GREEK_LOOKS, _FULL_WIDTH, _ACCENTS, _DIGITS)
    looks = [name.translate(table) for table in tables] + [_with_one_look_alike(name)]
    middle = max(1, len(name.split()[0]) // 2)
    hidden = [name[:middle] + sign + name[middle:] for sign in ZERO_WIDTH] + [name.replace(" ", f" {sign}") for sign in ZERO_WIDTH[:2]]
    return (*looks, *hidden, _transliterated(name, _CYRILLIC), _transliterated(name, _GREEK))


def _with_one_look_alike(name: str) -> str:
    """Only the first letter that has one is exchanged."""
    return next((name[:i] + letter.translate(_CYRILLIC_LOOKS) + name[i + 1 :] for i, letter in enumerate(name)
                 if letter.translate(_CYRILLIC_LOOKS) != letter), name)  # fmt: skip


def _transliterated(name: str, letters: dict[str, str]) -> str:
    text = name.lower()
    for latin, other in letters.items():  # clusters come first
        text = text.replace(latin, other)
    return text.title()


def _broken(words: Sequence[str]) -> Iterable[str]:
    """A break within each word, so that the tokenizer cuts it elsewhere."""
    forms = []
    for number, word in enumerate(words):
        for cut in range(2, len(word) - 1, 2):
            for sign in (" ", "-"):
                forms.append(" ".join([*words[:number], word[:cut] + sign + word[cut:], *words[number + 1 :]]))
    return forms


def _by_sound(name: str) -> Iterable[str]:
    """Spelled as it sounds."""
    lower = name.lower()
    return [lower.replace(written, sound).title() for written, sound in _SOUNDS if written in lower]


def misspellings(name: str, n_forms: int, distance: int, seed: int) -> list[str]:
    """`n_forms` different misspellings, each of so many slips: a letter left out, put in, exchanged, or swapped with its neighbour.

    Fewer where a short name has fewer.
    """
    generator = random.Random(f"misspellings {distance} {seed}")
    forms: dict[str, None] = {}
    for _ in range(20 * n_forms):
        form = name
        for _ in range(distance):
            form = _slip(form, generator)
        if len(forms) < n_forms and form != name and form.strip():
            forms[form] = None
    return list(forms)


def _slip(name: str, generator: random.Random) -> str:
    places = [place for place, letter in enumerate(name) if letter.isalpha()]
    if not places:
        return name
    place, kind = generator.choice(places), generator.choice(("left out", "put in", "exchanged", "swapped"))
    letter = generator.choice(string.ascii_lowercase)
    if kind == "left out":
        return name[:place] + name[place + 1 :]
    if kind == "put in":
        return name[:place] + letter + name[place:]
    if kind == "exchanged":
        return name[:place] + letter + name[place + 1 :]
    return name[:place] + name[place : place + 2][::-1] + name[place + 2 :]
