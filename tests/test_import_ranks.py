"""Modules import only modules of a strictly lower rank; the core never imports the page's library."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RANKS: tuple[tuple[str, ...], ...] = (
    ("errors", "memory", "zero_refusals"),
    ("finetune_config", "json_files", "prompts", "plain_values", "failures"),
    ("persons",),
    ("config",),
    ("job_states", "photo_files"),
    ("job_tables", "job_worker", "job_health", "photo_uploads"),
    ("job_endings", "job_repair", "job_queries"),
    ("job_database",),
    ("job_store", "job_zero", "face_sets"),
    ("zero_worker",),
    ("job_lane", "job_retention", "face_crops"),
    ("recolouring", "face_cascade"),
    ("names", "jobs", "model_sets", "tokenization", "causal_transformer", "worlds", "stages", "console"),
    ("data", "weights", "encoders", "face_finders"),
    ("diffusion_text", "face_pasting", "faces"),
    ("clip", "triggers", "face_triggers", "losses"),
    ("embeddings", "store"),
    ("text_task", "image_task", "idia"),
    ("finetune", "metrics", "diffusion", "recovery", "report", "gallery"),
    ("measurements", "pictures", "run_folder", "image_sources"),
    ("average_face", "labelled_images"),
    ("image_defence",),
    ("defences", "face_folders"),
    ("forgetting",),
    ("experiment", "evaluate_tables", "evaluate_parts"),
    ("evaluate", "evaluate_faces", "bench"),
    ("bench_schedules", "bench_counts", "bench_images"),
    ("bench_processes",),
    ("command_settings",),
    ("command_faces",),
    ("commands",),
    ("__main__",),
)
RANK = {name: rank for rank, names in enumerate(RANKS) for name in names}
# bench hands its points that need processes of their own to the modules that build on it, when they are asked for
LATE = {("bench", "bench_processes"), ("bench", "bench_schedules"), ("bench", "bench_counts"), ("bench", "bench_images")}
# the page's server never imports torch; its workers do, and these few modules are free of it
FOR_PAGE = {"config", "errors", "jobs", "job_states", "experiment", "model_sets", "worlds", "memory", "report", "run_folder",
            "faces", "photo_files"}  # fmt: skip


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
