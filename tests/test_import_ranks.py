"""Modules import only modules of a strictly lower rank; the core never imports the page's library."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RANKS: tuple[tuple[str, ...], ...] = (
    ("causal_transformer", "errors", "evaluate_tables", "face_crops", "job_health", "job_states", "losses", "memory", "network",
     "photo_repair", "recolouring", "run_files", "zero_refusals"),
    ("data", "face_cascade", "failures", "finetune_config", "job_tables", "json_files", "names", "paths", "photo_files",
     "plain_values", "prompts", "tokenization"),
    ("clip_text_files", "encoders", "job_queries", "job_repair", "kept_tensors", "persons", "weight_files"),
    ("clip_layouts", "config", "diffusion_parts", "job_database", "written_names"),
    ("console", "diffusers_modules", "diffusion_text", "face_finders", "face_pasting", "finetune", "idia", "job_endings", "job_worker",
     "mishaps", "model_sets", "photo_uploads", "stages", "trigger_checks", "triggers", "worlds"),
    ("diffusion", "embeddings", "face_sets", "face_triggers", "job_store", "job_zero", "schedule_choices", "weights"),
    ("activations", "command_settings", "faces", "image_task", "job_retention", "metrics", "text_task", "zero_worker"),
    ("bench", "clip", "job_lane"),
    ("bench_counts", "gallery", "jobs", "store"),
    ("evaluate_parts", "image_sources", "measurements", "pictures", "report", "run_folder", "run_photos"),
    ("average_face", "labelled_images"),
    ("image_defence",),
    ("defences", "face_folders"),
    ("bench_images", "evaluate", "evaluate_faces", "forgetting"),
    ("command_faces", "experiment"),
    ("bench_schedules", "commands"),
    ("__main__", "bench_processes"),
)
RANK = {name: rank for rank, names in enumerate(RANKS) for name in names}
# bench hands its points that need processes of their own to the modules that build on it, when they are asked for
LATE = {("bench", "bench_processes"), ("bench", "bench_schedules"), ("bench", "bench_counts"), ("bench", "bench_images")}
# the page's server never imports torch; its workers do, and these few modules are free of it
FOR_PAGE = {"config", "errors", "jobs", "job_states", "experiment", "model_sets", "worlds", "memory", "report", "run_folder",
            "faces", "photo_files", "trigger_checks", "plain_values", "written_names", "run_files", "schedule_choices"}  # fmt: skip


def _imported(path: Path, package: str) -> set[str]:
    """Names of the modules of `package` that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names] if module == package else [module]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith(f"{package}.")}
    return found


def _modules() -> list[str]:
    return sorted(path.stem for path in (ROOT / "unlearn").glob("*.py") if path.stem != "__init__")


def test_every_module_has_a_rank() -> None:
    assert [name for name in _modules() if name not in RANK] == []


@pytest.mark.parametrize("name", _modules())
def test_module_imports_only_lower_ranks(name: str) -> None:
    imported = _imported(ROOT / "unlearn" / f"{name}.py", "unlearn")
    too_high = {other for other in imported if RANK[other] >= RANK[name] and (name, other) not in LATE}
    assert too_high == set()


def test_core_never_imports_the_page() -> None:
    for name in _modules():
        tree = ast.parse((ROOT / "unlearn" / f"{name}.py").read_text("utf-8"))
        roots = {alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        roots |= {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not roots & {"gradio", "ui", "app"}, name


def test_page_reaches_the_core_through_few_modules() -> None:
    for path in (ROOT / "ui").glob("*.py"):
        assert _imported(path, "unlearn") <= FOR_PAGE, path.name
