"""One progress for several stages."""

import pytest

from unlearn.errors import JobCancelled
from unlearn.progress import TOTAL, Progress, Stages


def test_progress_rises_through_the_stages_by_their_shares() -> None:
    told: list[Progress] = []
    stages = Stages(told.append, {"one": 1.0, "two": 3.0})
    with stages.stage("one") as report:
        report(Progress(1, 2))
    with stages.stage("two") as report:
        report(Progress(5, 10, losses={"total": 0.5}))
    stages.finish()
    assert [progress.step for progress in told] == [0, 125, 250, 625, TOTAL]
    assert {progress.total for progress in told} == {TOTAL}
    assert told[3].note == "two, 5 of 10" and told[3].losses == {"total": 0.5}
    assert set(stages.seconds) == {"one", "two"} and min(stages.seconds.values()) >= 0


def test_cancelling_comes_out_of_the_stage() -> None:
    def cancel(progress: Progress) -> None:
        raise JobCancelled

    with pytest.raises(JobCancelled), Stages(cancel, {"one": 1.0}).stage("one"):
        pass


def test_same_progress_can_be_told_again_without_its_losses() -> None:
    told: list[Progress] = []
    stages = Stages(told.append, {"one": 1.0})
    with stages.stage("one") as report:
        report(Progress(1, 2, losses={"total": 0.5}))
        stages.again()
        stages.again("something else")
    assert [(progress.step, progress.note, progress.losses) for progress in told[1:]] == [
        (500, "one, 1 of 2", {"total": 0.5}), (500, "one, 1 of 2", None), (500, "something else", None),
    ]  # fmt: skip
