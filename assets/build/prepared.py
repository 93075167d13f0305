"""The prepared example that the page shows at first: `python -m assets.build.prepared`, a minute or two on two cores.

A run of `forget` like any other, from a fixed seed. Its defended weights are rounded to half precision, so that they can be shipped
and the example be asked new things; the attack is repeated, the portraits are drawn and the opponent's ways are tried again with the
rounded weights, so that what is shown is what they do. Has to be made again whenever the embedded set changes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file, save_file

from unlearn.config import ForgetConfig, Person, PortraitConfig, Settings
from unlearn.files import file_hash, read_json_file, write_json
from unlearn.models.clip import Clip
from unlearn.models.defended import CONFIG_NAME, DIFFUSION_FILE, IMAGE_FILE, TEXT_FILE, load_defended
from unlearn.models.suite import suite_of
from unlearn.modes import follow_umask
from unlearn.progress import Progress, no_report
from unlearn.runs import forgetting, questions
from unlearn.runs.dial import FOLDER as DIAL_FOLDER
from unlearn.runs.dial import write_dial
from unlearn.runs.json_types import to_json
from unlearn.runs.opponent_context import compared_run
from unlearn.runs.portraits import write_png
from unlearn.runs.recovery import RecoveryRequest, recover
from unlearn.runs.recovery_records import NO_TIME
from unlearn.runs.report import write_report
from unlearn.runs.results import MANIFEST, PORTRAITS, finished_run, write_results
from unlearn.runs.seal import seal_run
from unlearn.texts.prompts import fill

FOLDER = Path(__file__).resolve().parent.parent / "prepared"
PERSON = Person("Clara Quarnby", ("Madame Solstice",))
MAX_FILE_BYTES = 10_000_000


def round_weights(run: Path, original: Clip) -> Clip:
    """Round the defended weights of a run to half precision, in place, and hand back the CLIP that they give."""
    folder = run / "defended"
    content = read_json_file(folder / CONFIG_NAME)
    if original.is_shared and DIFFUSION_FILE in content["files"]:  # the same weights once more, for other programs
        shutil.rmtree(folder / "text_encoder")
        del content["files"][DIFFUSION_FILE]
    for file, row in content["files"].items():
        save_file({name: tensor.half() for name, tensor in load_file(folder / file).items()}, folder / file)
        follow_umask(folder / file)
        row["sha256"] = file_hash(folder / file)
    write_json(folder / CONFIG_NAME, content)
    clip = load_defended(folder, original)
    for file, encoder in ((TEXT_FILE, clip.text), (IMAGE_FILE, clip.image)):
        if file in content["files"]:
            content["files"][file]["weights_hash"] = encoder.weights_hash
    write_json(folder / CONFIG_NAME, content)
    return clip


def repeat_attack(run: Path, settings: Settings) -> None:
    """Stop unless the rounded weights hide the persons exactly as the run says."""
    results = finished_run(run)
    for person, measured in zip(results.config.persons, results.metrics.persons, strict=True):
        outcome = questions.attack(settings, results.config.model_set, person, weights=run, idia=results.config.idia)
        if outcome.correct_templates != measured.idia.defended.correct_templates:
            raise SystemExit("The rounded weights change the outcome of the attack; take another seed.")


def redraw(run: Path, settings: Settings) -> None:
    """Draw the run's portraits again with the weights that lie in it."""
    results = finished_run(run)
    config = results.config
    chosen = config.portraits or PortraitConfig()
    texts = [{"name": person.name, "neutral": person.target(config.neutral_term)} for person in config.persons]
    prompts = dict.fromkeys(fill(chosen.prompt_template, text) for row in texts for text in row.values())
    drawn = {(p.prompt, p.seed, p.model): p for p in questions.portraits(settings, run, questions.PortraitRequest(tuple(prompts)))}
    entries = []
    for entry in results.portraits:
        prompt = fill(chosen.prompt_template, texts[entry.person_index][entry.prompt])
        portrait = drawn[prompt, entry.seed, entry.model]
        write_png(run / PORTRAITS / entry.file, portrait.image)
        entries.append(replace(entry, weights_hash=portrait.weights_hash))
    write_results(run, portraits=tuple(entries))


def oppose_again(run: Path, settings: Settings) -> None:
    """Try to bring the persons back from the weights that lie in the run, each way with time of its own; stop where that is too short."""
    config = finished_run(run).config
    for index in range(len(config.persons)):
        for kind in RecoveryRequest().kinds:
            request = RecoveryRequest((kind.name,), person_index=index, seed=config.seed)
            recovery = recover(settings, run, request)
            if any((row.attack, row.person_index, row.why) == (kind.name, index, NO_TIME) for row in recovery.not_tried):
                raise SystemExit(f"There was no time for “{kind.title}”; make the example on an idle machine.")


def redial(run: Path, settings: Settings) -> None:
    """Turn the run's dial again with the weights that lie in it; the photos are those of the set's world."""
    finished = finished_run(run)
    shutil.rmtree(run / DIAL_FOLDER, ignore_errors=True)
    write_dial(run, compared_run(finished, settings, no_report), suite_of(finished.config.model_set, settings), {})


def finish(run: Path, settings: Settings) -> None:
    """Make a finished run ready to be shipped: half precision, no cache, small files, its manifest last."""
    results = finished_run(run)
    clip = round_weights(run, suite_of(results.config.model_set, settings).clip)
    weights = replace(results.metrics.weights, defended=clip.text.weights_hash)
    manifest = replace(results.manifest, weights=weights)
    write_results(run, metrics=replace(results.metrics, weights=weights), manifest=manifest)  # its time tells of another run
    repeat_attack(run, settings)
    if results.portraits:
        redraw(run, settings)
    if results.dial:
        redial(run, settings)
    oppose_again(run, settings)
    seal_run(run)
    write_report(run)
    shutil.rmtree(run / "cache", ignore_errors=True)
    files = sorted(path for path in run.rglob("*") if path.is_file() and path.name != MANIFEST)
    if large := [path.name for path in files if path.stat().st_size >= MAX_FILE_BYTES]:
        raise SystemExit(f"Too large to be shipped: {', '.join(large)}.")
    write_results(run, manifest=replace(manifest, files=tuple(path.relative_to(run).as_posix() for path in files)))


def main() -> None:
    """Run, finish, and put in the place of the earlier example."""
    parser = argparse.ArgumentParser(prog="python -m assets.build.prepared", description="Make the prepared example again.")
    parser.add_argument("--set", default="embedded", help="model set")
    parser.add_argument("--name", default="|".join(PERSON.triggers), help='who is forgotten: "First Last|Alias"')
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=FOLDER / "clara-quarnby")
    options = parser.parse_args()
    config = ForgetConfig((Person.parse(options.name),), options.set, seed=options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        settings, run = Settings(data_dir=Path(scratch) / "data", device="cpu", offline=True), Path(scratch) / "run"
        forgetting.forget(config, settings, run, _say)
        finish(run, settings)
        shutil.rmtree(options.out, ignore_errors=True)
        shutil.copytree(run, options.out)
    print(json.dumps(to_json(finished_run(options.out).metrics.persons), ensure_ascii=False))


def _say(progress: Progress, said: list[str] = []) -> None:  # noqa: B006  # remembers the stage that was told last
    stage = progress.note.partition(",")[0]
    if stage not in said:
        said.append(stage)
        print(stage, flush=True)


if __name__ == "__main__":
    main()
