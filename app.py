"""The server: flags and environment become settings, then the page is launched. Also the entry of a Gradio Space.

Everything slow is imported after the flags were read, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ui.page.hosting import Address, RootPath, Stopped, address_of, root_path_of, stopped_by_signals
from unlearn.config import Settings, devices_of
from unlearn.config.paths import settle_home
from unlearn.errors import ConfigError, UnlearnError
from unlearn.proxies import settle_proxies

if TYPE_CHECKING:
    from gradio import Blocks

    from ui.server.options import Options
    from ui.server.service import Service

HOUR_S, MINUTE_S = 3600.0, 60.0
QUICK_S = 30 * MINUTE_S  # longest time of a question to a result
LOOK_S = 0.2  # between two looks whether the server still runs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python app.py",
        description="Make a model forget a person, and look at the evidence, in the browser.",
        epilog="Every flag can be given as the environment variable in brackets instead; the flag wins.",
    )
    env = os.environ.get

    def add(flag: str, variable: str, text: str, default: str | None = None) -> None:
        value = env(variable) or default
        shown = None if variable == "UNLEARN_AUTH" else value  # a password is not printed
        parser.add_argument(flag, default=value, help=f"{text} [{variable}] (now: {shown or 'not set'})".replace("%", "%%"))
        parser.set_defaults(**{flag.strip("-").replace("-", "_"): value})

    add("--set", "UNLEARN_SET", "model set: auto, embedded, sd14, vit-b-32, vit-b-16, vit-l-14, rn50, a folder, ...", "auto")
    add("--device", "UNLEARN_DEVICE", "auto, cpu, cuda or cuda:N; several, as cuda:0,cuda:1, work on a job each", "auto")
    add("--engine", "UNLEARN_ENGINE", "where jobs run: local, or ray for a cluster", "local")
    add("--ray-address", "UNLEARN_RAY_ADDRESS", "HOST:PORT of the cluster's head, or auto; unset: a Ray of its own on this machine")
    add("--ray-share", "UNLEARN_RAY_SHARE", "part of a GPU, or number of CPUs, that works on a job", "1")
    add("--threads", "UNLEARN_THREADS", "CPU threads for the work; unset: torch's own choice")
    add("--data-dir", "UNLEARN_DATA_DIR", "folder for jobs, results and uploads", "data")
    add("--models-dir", "UNLEARN_MODELS_DIR", "folder with downloaded weights, searched first")
    add("--offline", "UNLEARN_OFFLINE", "1: never ask the network for weights", "0")
    add("--precision", "UNLEARN_PRECISION", "auto, fp32 or bf16", "auto")
    add("--memory", "UNLEARN_MEMORY", "auto, low (parts wait on the CPU, small passes) or full", "auto")
    add("--host", "UNLEARN_HOST", "address to listen on; 0.0.0.0 for all", env("GRADIO_SERVER_NAME") or "127.0.0.1")
    add("--port", "UNLEARN_PORT", "port to listen on", env("GRADIO_SERVER_PORT") or "7860")
    add("--root-path", "UNLEARN_ROOT_PATH", "path under which a proxy serves the page, such as /forget", env("GRADIO_ROOT_PATH"))
    add("--auth", "UNLEARN_AUTH", "NAME:PASSWORD asked of visitors, several separated by commas; better as a variable")
    add("--max-waiting", "UNLEARN_MAX_WAITING", "jobs that one visitor may have waiting", "8")
    add("--max-queued", "UNLEARN_MAX_QUEUED", "jobs that all visitors together may have waiting", "100")
    add("--max-job-minutes", "UNLEARN_MAX_JOB_MINUTES", "longest time that a job may run (a question: at most 30); 0: any", "240")
    add("--max-persons", "UNLEARN_MAX_PERSONS", "persons that one job may forget", "64")
    add("--max-rooms", "UNLEARN_MAX_ROOMS", "rooms in which phones vote that may be open at the same time; 0: none", "8")
    add("--max-upload-mb", "UNLEARN_MAX_UPLOAD_MB", "largest photo accepted, in MB", "20")
    add("--max-zip-mb", "UNLEARN_MAX_ZIP_MB", "largest zip of photos accepted, in MB", "1000")
    add("--max-total-mb", "UNLEARN_MAX_TOTAL_MB", "all files of one upload together, in MB", "2000")
    add("--face-pack", "UNLEARN_FACE_PACK", "InsightFace pack that finds faces, where it is at hand (non-commercial)", "buffalo_l")
    add("--face-root", "UNLEARN_FACE_ROOT", "folder that holds models/PACK of InsightFace; unset: ~/.insightface")
    add("--generic-images", "UNLEARN_GENERIC_IMAGES", "everyday pictures for the defence of faces: a folder or hub:owner/data-set:column")
    add("--other-faces", "UNLEARN_OTHER_FACES", "faces of other people for it: a folder or hub:owner/data-set:column")
    add("--face-targets", "UNLEARN_FACE_TARGETS", "anonymous people for it: a folder with a folder each, or hub:owner/set:images:people")
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
    """The settings that the flags mean, each of which is the environment's unless it was given.

    Raises:
        ConfigError: a value cannot be used.
    """
    names = ("device", "threads", "data_dir", "models_dir", "offline", "precision", "memory", "face_pack", "face_root", "max_upload_mb",
             "max_zip_mb", "max_total_mb", "generic_images", "other_faces", "face_targets")  # fmt: skip
    chosen = {f"UNLEARN_{name.upper()}": value for name in names if (value := getattr(flags, name)) is not None}
    chosen["UNLEARN_DEVICE"] = devices_of(flags.device)[0]
    settings = Settings.from_environment({**os.environ, **chosen})
    folders = {name: getattr(settings, name) for name in ("data_dir", "models_dir", "face_root")}
    return replace(settings, **{name: folder.resolve() for name, folder in folders.items() if folder is not None})


def options_of(flags: argparse.Namespace, settings: Settings, backend: str) -> Options:
    """The page's own options that the flags mean."""
    from ui.server.lanes import LaneFlags, lanes_of
    from ui.server.options import Options
    from unlearn.jobs import JobLimits, ZeroGpu, spaces_package

    hours = _number(flags.retention_hours, "--retention-hours", float)
    max_run_s = _number(flags.max_job_minutes, "--max-job-minutes", float) * MINUTE_S or None
    limits = JobLimits(
        max_waiting=int(_number(flags.max_waiting, "--max-waiting")), retention_s=hours * HOUR_S if hours else None,
        max_queued=int(_number(flags.max_queued, "--max-queued")), max_run_s=max_run_s,
        max_quick_run_s=min(max_run_s, QUICK_S) if max_run_s else None,
    )  # fmt: skip
    max_persons = int(_number(flags.max_persons, "--max-persons"))
    zero = None
    if (spaces := spaces_package()) is not None:
        from ui.server.gpu_need import gpu_need

        zero = ZeroGpu(spaces, int(_number(flags.gpu_seconds, "--gpu-seconds")), gpu_need)
    share = _number(flags.ray_share, "--ray-share", float)
    lanes = lanes_of(LaneFlags(flags.set, flags.device, flags.engine, flags.ray_address or None, share), settings)
    return Options(
        model_set=lanes.model_set.name, notice=lanes.model_set.notice, limits=limits, max_persons=max_persons, backend=backend, zero=zero,
        devices=lanes.devices, remote=lanes.remote, max_rooms=int(_number(flags.max_rooms, "--max-rooms")),
    )  # fmt: skip


def _accounts(text: str | None) -> list[tuple[str, str]] | None:
    if not text:
        return None
    accounts = [tuple(part.split(":", 1)) for part in text.split(",")]
    if not all(len(account) == 2 and all(account) for account in accounts):
        raise ConfigError("--auth must be NAME:PASSWORD, several separated by commas.")
    return [(account[0], account[1]) for account in accounts]


def prepare_environment(settings: Settings, address: Address) -> Path:
    """Set what libraries read from the environment when they are imported; the folder for uploads.

    No analytics and no look-ups at hosts; uploads beside the results; no proxy for requests to this server itself.
    """
    uploads = settings.data_dir / "uploads"
    settle_home(settings.data_dir)
    settle_proxies(address.host)
    is_ipv4 = address.host.replace(".", "").isdigit()
    os.environ.update(
        HF_HUB_DISABLE_TELEMETRY="1",  # else the Hub's client asks its host even when it only looks into its cache
        GRADIO_ANALYTICS_ENABLED="False", GRADIO_TEMP_DIR=str(uploads),
        # Gradio first looks whether the port is free at this address, which must be of IPv4.
        GRADIO_SERVER_NAME=address.host if is_ipv4 else "127.0.0.1", GRADIO_SERVER_PORT=str(address.port),
    )  # fmt: skip
    return uploads


def launch(service: Service, address: Address, root_path: str, accounts: list[tuple[str, str]] | None) -> Blocks:
    """Build the page and serve it from threads of its own.

    Raises:
        ConfigError: Gradio cannot listen at the address.
    """
    from starlette.middleware import Middleware

    from ui import build_app
    from ui.page.media import app_kwargs
    from ui.page.theme import launch_options
    from unlearn.photos.uploads import upload_limits

    blocks, web = build_app(service), app_kwargs(service)
    web["middleware"] = [Middleware(RootPath, root_path=root_path), *web["middleware"]]
    try:
        blocks.launch(
            server_name=address.bracketed, server_port=address.port, root_path=root_path, auth=accounts, app_kwargs=web,
            max_file_size=upload_limits(service.settings).file_bytes, show_error=True, share=False, inbrowser=False, quiet=True,
            prevent_thread_lock=True,  # `serve` waits, and stops in order
            _frontend=False,  # else Gradio gives up when its own page takes more than 3 s on a busy machine
            **launch_options(),
        )  # fmt: skip
    except OSError as error:
        if "Cannot find empty port" not in str(error):
            raise
        raise ConfigError(f"The server cannot listen on port {address.port}; choose another with --port.") from error
    return blocks


def serve(flags: argparse.Namespace, backend: str) -> None:
    """Launch the page and stay until it is stopped."""
    settings, accounts = settings_of(flags), _accounts(flags.auth)
    address, root_path = address_of(flags.host, flags.port), root_path_of(flags.root_path)
    uploads = prepare_environment(settings, address)
    options = options_of(flags, settings, backend)
    from ui.server.service import Service

    service = blocks = None
    try:
        service = Service(settings, options)
        shutil.rmtree(uploads, ignore_errors=True)  # what a server that was killed left behind
        service.start()
        blocks = launch(service, address, root_path, accounts)
        behind = f" (behind a proxy: {root_path})" if root_path else ""
        print(f"* Running on {address.url}{behind}", flush=True)
        while blocks.is_running:
            time.sleep(LOOK_S)
    finally:
        if service is not None:
            service.stop()
        if options.remote is not None:
            options.remote.close()
        if blocks is not None:
            blocks.close(verbose=False)
        shutil.rmtree(uploads, ignore_errors=True)


def main(arguments: Sequence[str] | None = None, backend: str = "ui.worker.tasks") -> int:
    """Run the server; the exit status. `backend` is for tests, see `ui.server.options.Options`."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    flags = _parser().parse_args(arguments)
    try:
        with stopped_by_signals():
            serve(flags, backend)
    except Stopped as signal:
        print(f"Stopped by {signal}.", file=sys.stderr)
    except UnlearnError as error:
        print(f"app.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    sys.exit(main())
