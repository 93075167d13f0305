"""Forms of a name that somebody may try."""

from unlearn.texts.captions import generate_captions
from unlearn.texts.name_forms import misspellings, name_forms
from unlearn.texts.prompts import CHECK_TEMPLATES, PROMPT_TEMPLATES
from unlearn.texts.unseen_sentences import FOREIGN_TEMPLATES, UNSEEN_TEMPLATES


def test_forms_hold_every_kind_once_and_never_the_name() -> None:
    forms = name_forms("Ada Brook", 5, seed=0)
    assert {"Ada", "Brook", "Brook Ada", "A. Brook", "Dr Brook", "ADA BROOK", "AdaBrook", "Ada-Brook"} <= set(forms)
    assert len(set(forms)) == len(forms) and "Ada Brook" not in forms
    assert any("\u200b" in form for form in forms) and "Ада Броок" in forms
    assert name_forms("Ada Brook", 5, seed=0) == forms != name_forms("Ada Brook", 5, seed=1)


def test_name_of_one_word_has_forms_too() -> None:
    forms = name_forms("Cher", 3, seed=0)
    assert "CHER" in forms and all(form.strip() for form in forms)


def test_misspellings_differ_from_the_name_by_their_distance() -> None:
    near, far = (misspellings("Marcus Bellwyn", 10, distance, seed=0) for distance in (1, 2))
    assert len(near) == len(far) == 10
    assert all(abs(len(form) - len("Marcus Bellwyn")) <= 1 for form in near)
    assert len(misspellings("A", 50, 1, seed=0)) < 80


def test_unseen_sentences_are_nobody_elses() -> None:
    unseen = {*UNSEEN_TEMPLATES, *FOREIGN_TEMPLATES}
    assert len(UNSEEN_TEMPLATES) >= 20 and len(unseen) == len(UNSEEN_TEMPLATES) + len(FOREIGN_TEMPLATES)
    assert not unseen & {*PROMPT_TEMPLATES, *CHECK_TEMPLATES} and all(template.count("{0}") == 1 for template in unseen)
    frames = {template.replace("{0}", "").strip() for template in unseen}
    assert not frames & set(generate_captions(2000))
