"""What a run says of itself: every outcome has its sentence, every figure its control, and what was not measured its reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from unlearn.attacks.figures import FalseRecall, NeverMet, Trace
from unlearn.config import ClosedForm, ForgetConfig, IdiaConfig, Person, TextFineTuneConfig
from unlearn.runs.metrics import Counts, FineTuning, Metrics, PersonMetrics
from unlearn.runs.records import BeforeAfter, Verdict
from unlearn.runs.sentences import MISSING, compared_sentence, findings, newly_recalled, remapping, verdict_sentence, verdict_summary

STAND_IN = ForgetConfig((Person("Ada"),), target="stand_in")
PAPER = ForgetConfig((Person("Ada"),), target="neutral_term", neutral_term="person")
MEASURED = Metrics(
    control=Counts(n=16), false_recall=FalseRecall(216, 1, 0, 0.3, 0.2), trace=Trace(1000, 412, "edge", 0.63, 1, 0),
    never_met=NeverMet(0.62, 0.41, 2 / 17, 1, 16),
)  # fmt: skip


def _verdicts(before: bool | None, after: bool | None) -> BeforeAfter[Verdict]:
    return BeforeAfter(Verdict(None if before is None else 0, before), Verdict(None if after is None else 0, after))


def _person(name: str, before: bool | None, after: bool | None) -> PersonMetrics:
    return PersonMetrics(name, _verdicts(before, after))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (True, False, "The original model recognised Ada by name. The defended model does not any more."), (True, True, "did not hold"),
        (False, False, "The model did not know Ada by this name; there was nothing to forget, and nothing has changed."),
        (False, True, "do not trust"), (None, None, "at least 4, better 20"), (True, None, "attack on the defended model is missing"),
    ],
)  # fmt: skip
def test_verdict_sentence_every_outcome_is_told_apart(before: bool | None, after: bool | None, words: str) -> None:
    assert words in verdict_sentence("Ada", _verdicts(before, after), STAND_IN)


def test_recognised_only_now_is_explained_by_the_papers_target() -> None:
    sentence = verdict_sentence("Ada", _verdicts(False, True), PAPER)
    assert "was not recognised before, but is now" in sentence and "now means “person”" in sentence and "1,000 names" in sentence
    assert "A run with somebody whom the model never met as target avoids this." in sentence and "do not trust" not in sentence
    image = verdict_sentence("Ada", _verdicts(False, True), replace(PAPER, encoder="image"))
    assert "“person”" not in image and "average face" in image


@pytest.mark.parametrize("before", [True, False, None])
@pytest.mark.parametrize("after", [True, False, None])
def test_whoever_need_not_be_forgotten_is_not_said_to_be(before: bool | None, after: bool | None) -> None:
    sentence = compared_sentence("Ada", _verdicts(before, after), IdiaConfig(min_images=5))
    assert "Ada" in sentence and "forget" not in sentence and "defence" not in sentence


def test_summary_counts_every_outcome_and_is_left_out_for_one_person() -> None:
    persons = [_person("A", True, False), _person("B", True, False), _person("C", True, True), _person("D", False, False),
               _person("E", False, True), _person("F", None, None), _person("G", True, None)]  # fmt: skip
    assert verdict_summary(persons) == (
        "7 persons: 2 recognised before and not any more, 1 still recognised, 1 unknown to the model before and after, "
        "1 recognised only now, 1 attacked on the original model only, 1 not attacked."
    )
    assert verdict_summary(persons[:1]) == ""
    assert newly_recalled(Metrics(persons=tuple(persons))) == ["E"]


def test_every_figure_has_its_control() -> None:
    recall, trace, never_met = (finding.sentence for finding in findings(replace(MEASURED, persons=(_person("Ada", True, False),))))
    assert recall == (
        "The forgotten name wins in 0 of 216 people whom the model never saw, and won in 1 of them before; "
        "an unknown name wins in 0.2 on average."
    )
    assert trace.startswith("Among 1,000 names, the defended file alone puts the forgotten name at place 412, which counts as hidden;")
    assert "probability of 0.63" in trace and "the name is always found (place 1)" in trace
    assert "p = 0.41, against 16 strangers" in never_met and "One person is too few to tell: p cannot fall below 0.12" in never_met
    assert "cannot be told from" not in never_met, "a test that can say nothing says nothing"


def test_several_persons_and_decoys_are_told() -> None:
    persons = tuple(_person(name, True, False) for name in "ABCD")
    metrics = replace(MEASURED, persons=persons, control=Counts(), trace=Trace(1031, 10, "neutral", 0.01, 9, 31),
                      never_met=NeverMet(1.0, 0.0004, 2 / 4845, 4, 16))  # fmt: skip
    recall, trace, never_met = (finding.sentence for finding in findings(metrics))
    assert recall.startswith("One of the 4 forgotten names wins in 0 of 216 other people")
    assert "does not count as hidden" in trace and "the place is 9, in a crowd with 31 decoys" in trace
    assert "p = 0.0004" in never_met and "cannot fall below" not in never_met and "differ from" in never_met


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({}, ("no photos of people", "earlier version", "nobody was attacked")),
        ({"persons": (_person("Ada", True, False),)}, ("no photos of people", "earlier version", "no photos of people")),
        ({"persons": (_person("Ada", True, False),), "control": Counts(n=3)}, ("earlier version",) * 3),
        ({"persons": (_person("Ada", True, None),)}, ("attack on the defended model is missing",) * 3),
        ({"fine_tuning": {"image": FineTuning(1, "all steps")}}, ("no photos", "the text encoder was left as it was", "nobody")),
        ({"warnings": tuple(f"{missing}: x." for missing in MISSING.values())}, ("it failed",) * 3),
    ],
)  # fmt: skip
def test_what_was_not_measured_has_a_reason(changes: dict[str, object], reasons: tuple[str, ...]) -> None:
    sentences = [finding.sentence for finding in findings(replace(Metrics(), **changes))]  # type: ignore[arg-type]
    for sentence, reason in zip(sentences, reasons, strict=True):
        assert sentence.startswith("Not measured: ") and reason in sentence


def test_what_was_remapped_is_said_for_both_targets_and_names_no_stand_in() -> None:
    one, two = (Person("Ann Lee", stand_in="Wes Hart"),), (Person("Ann Lee", stand_in="Wes Hart"), Person("Bo Tan", stand_in="Ida Quill"))
    assert remapping(ForgetConfig(one)) == "Name remapped to that of somebody whom the model never met, in the text encoder, by fine-tuning"
    paper = ForgetConfig(one, target="neutral_term", neutral_term="adult", encoder="both")
    faces = "face remapped to the average face, in the image encoder"
    assert remapping(paper) == f"Name remapped to “adult”, in the text encoder, by fine-tuning; {faces}"
    assert remapping(ForgetConfig(two, encoder="image")) == "Faces remapped to unknown faces, one for each, in the image encoder"
    started = ForgetConfig(one, text=TextFineTuneConfig(closed_form=ClosedForm()))
    assert remapping(started).endswith("in the text encoder, by the closed form and fine-tuning")
    assert remapping(replace(started, method="closed-form")).endswith("by the closed form alone")
    assert remapping(replace(started, method="slug")).endswith("by one gradient step in one layer (SLUG)")
    crowd = remapping(ForgetConfig(two, n_decoys=1))
    assert crowd.endswith(", with 1 decoy") and "one for each" in crowd and "Wes Hart" not in crowd
