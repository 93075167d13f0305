"""The server: flags and environment become settings, then the page is launched. Also the entry of a Gradio Space.

Knows no model. Everything slow is imported after the flags were read, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from unlearn.config import Settings
from unlearn.errors import ConfigError, UnlearnError

if TYPE_CHECKING:
    from ui.options import Options

HOUR_S, MINUTE_S = 3600.0, 60.0
QUICK_S = 30 * MINUTE_S  # longest time of a question to a result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python app.py",
        description="Make a model forget a person, and look at the evidence, in the browser.",
        epilog="Every flag can be given as the environment variable in brackets instead; the flag wins.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    env = os.environ.get

    def add(flag: str, variable: str, text: str, default: str | None = None) -> None:
        value = env(variable) or default
        shown = None if variable == "UNLEARN_AUTH" else value  # a password is not printed
        parser.add_argument(flag, default=value, help=f"{text} [{variable}] (now: {shown or 'not set'})".replace("%", "%%"))
        parser.set_defaults(**{flag.strip("-").replace("-", "_"): value})

    add("--set", "UNLEARN_SET", "model set: auto, embedded, sd14, vit-b-32, vit-b-16, vit-l-14, rn50, a folder, ...", "auto")
    add("--device", "UNLEARN_DEVICE", "auto, cpu, cuda or cuda:N", "auto")
    add("--threads", "UNLEARN_THREADS", "CPU threads for the work; unset: torch's own choice")
    add("--data-dir", "UNLEARN_DATA_DIR", "folder for jobs, results and uploads", "data")
    add("--models-dir", "UNLEARN_MODELS_DIR", "folder with downloaded weights, searched first")
    add("--offline", "UNLEARN_OFFLINE", "1: never ask the network for weights", "0")
    add("--precision", "UNLEARN_PRECISION", "auto, fp32 or bf16", "auto")
    add("--host", "UNLEARN_HOST", "address to listen on; 0.0.0.0 for all", env("GRADIO_SERVER_NAME") or "127.0.0.1")
    add("--port", "UNLEARN_PORT", "port to listen on", env("GRADIO_SERVER_PORT") or "7860")
    add("--root-path", "UNLEARN_ROOT_PATH", "path under which a proxy serves the page, such as /forget")
    add("--auth", "UNLEARN_AUTH", "NAME:PASSWORD asked of visitors, several separated by commas; better as a variable")
    add("--max-waiting", "UNLEARN_MAX_WAITING", "jobs that one visitor may have waiting", "8")
    add("--max-queued", "UNLEARN_MAX_QUEUED", "jobs that all visitors together may have waiting", "100")
    add("--max-job-minutes", "UNLEARN_MAX_JOB_MINUTES", "longest time that a job may run (a question: at most 30); 0: any", "240")
    add("--max-persons", "UNLEARN_MAX_PERSONS", "persons that one job may forget", "64")
    add("--max-upload-mb", "UNLEARN_MAX_UPLOAD_MB", "largest photo accepted, in MB", "20")
    add("--max-zip-mb", "UNLEARN_MAX_ZIP_MB", "largest zip of photos accepted, in MB", "1000")
    add("--max-total-mb", "UNLEARN_MAX_TOTAL_MB", "all files of one upload together, in MB", "2000")
    add("--face-pack", "UNLEARN_FACE_PACK", "InsightFace pack that finds faces, where it is at hand (non-commercial)", "buffalo_l")
    add("--face-root", "UNLEARN_FACE_ROOT", "folder that holds models/PACK of InsightFace; unset: ~/.insightface")
    add("--gpu-seconds", "UNLEARN_GPU_SECONDS", "on ZeroGPU hardware: longest time that one job may hold the GPU", "120")
    add("--retention-hours", "UNLEARN_RETENTION_HOURS", "results are deleted after so many hours; 0 keeps them", "24")
    return parser


def _number(text: str, flag: str, kind: type[int] | type[float] = int) -> float:
    try:
        value = kind(text)
    except ValueError as error:
        raise ConfigError(f"{flag} is {text!r}; give a number.") from error
    if not 0 <= value < 1e9:
        raise ConfigError(f"{flag} is {text!r}; give a number from 0 on.")
    return value


def settings_of(flags: argparse.Namespace) -> Settings:
    """The settings that the flags mean, also left in the environment for the worker processes.

    Raises:
        ConfigError: a value cannot be used.
    """
    for name in ("device", "threads", "data_dir", "models_dir", "offline", "precision", "face_pack", "face_root",
                 "max_upload_mb", "max_zip_mb", "max_total_mb"):  # fmt: skip
        if (value := getattr(flags, name)) is not None:
            os.environ[f"UNLEARN_{name.upper()}"] = value
    settings = Settings.from_environment()
    return replace(settings, data_dir=settings.data_dir.resolve())


def model_set_of(name: str, settings: Settings) -> str:
    """The model set that "auto" means; a process of its own asks torch, and only where there may be a GPU."""
    if name != "auto":
        return name
    if settings.device == "cpu" or shutil.which("nvidia-smi") is None:
        return "embedded"
    question = (
        "from unlearn.clip import default_model_set; from unlearn.config import Settings; "
        "print(default_model_set(Settings.from_environment()))"
    )
    root = Path(__file__).resolve().parent
    answer = subprocess.run([sys.executable, "-c", question], cwd=root, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "embedded"


def options_of(flags: argparse.Namespace, settings: Settings, backend: str) -> Options:
    """The page's own options that the flags mean."""
    from ui.options import Options
    from unlearn.jobs import JobLimits, ZeroGpu, spaces_package

    hours = _number(flags.retention_hours, "--retention-hours", float)
    max_run_s = _number(flags.max_job_minutes, "--max-job-minutes", float) * MINUTE_S or None
    limits = JobLimits(
        max_waiting=int(_number(flags.max_waiting, "--max-waiting")), retention_s=hours * HOUR_S if hours else None,
        max_queued=int(_number(flags.max_queued, "--max-queued")), max_run_s=max_run_s,
        max_quick_run_s=min(max_run_s, QUICK_S) if max_run_s else None,
    )  # fmt: skip
    max_persons = int(_number(flags.max_persons, "--max-persons"))
    spaces = spaces_package()
    return Options(
        model_set=model_set_of(flags.set, settings), limits=limits, max_persons=max_persons, backend=backend,
        zero=ZeroGpu(spaces, int(_number(flags.gpu_seconds, "--gpu-seconds"))) if spaces is not None else None,
    )  # fmt: skip


def _accounts(text: str | None) -> list[tuple[str, str]] | None:
    if not text:
        return None
    accounts = [tuple(part.split(":", 1)) for part in text.split(",")]
    if not all(len(account) == 2 and all(account) for account in accounts):
        raise ConfigError("--auth must be NAME:PASSWORD, several separated by commas.")
    return [(account[0], account[1]) for account in accounts]


def serve(flags: argparse.Namespace, backend: str) -> None:
    """Launch the page and stay until it is stopped."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # else the Hub's client asks its host even when it only looks into its cache
    settings, accounts = settings_of(flags), _accounts(flags.auth)
    options = options_of(flags, settings, backend)
    port = int(_number(flags.port, "--port"))
    uploads = settings.data_dir / "uploads"
    # Read by Gradio when it is imported: no analytics, no look-ups at hosts, uploads beside the results.
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", GRADIO_TEMP_DIR=str(uploads))
    from ui import build_app
    from ui.media import app_kwargs
    from ui.service import Service
    from ui.theme import launch_options
    from unlearn.photo_uploads import upload_limits

    service = Service(settings, options)
    shutil.rmtree(uploads, ignore_errors=True)  # what a server that was killed left behind
    service.start()
    try:
        blocks = build_app(service)
        blocks.launch(
            server_name=flags.host, server_port=port, root_path=flags.root_path or "",
            auth=accounts, app_kwargs=app_kwargs(service), max_file_size=upload_limits(settings).file_bytes,
            show_error=True, share=False, inbrowser=False,
            _frontend=False,  # else Gradio gives up when its own page takes more than 3 s on a busy machine
            **launch_options(),
        )  # fmt: skip
    finally:
        service.stop()
        shutil.rmtree(uploads, ignore_errors=True)


def main(arguments: Sequence[str] | None = None, backend: str = "ui.tasks") -> int:
    """Run the server; the exit status. `backend` is for tests, see `ui.options.Options`."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    flags = _parser().parse_args(arguments)
    try:
        serve(flags, backend)
    except UnlearnError as error:
        print(f"app.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    sys.exit(main())
