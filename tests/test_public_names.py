"""The public names are a promise: what stands here may be added to, and only knowingly taken from."""

import subprocess
import sys

import unlearn

PUBLIC = {
    "ConfigError", "EarlyStop", "ForgetConfig", "IdiaConfig", "ImageFineTuneConfig", "InputError", "JobCancelled",
    "ModelLoadError", "Person", "PortraitConfig", "PortraitRequest", "Progress", "Settings", "TextFineTuneConfig",
    "UnlearnError", "attack", "forget", "people", "portraits", "predict", "probe",
}  # fmt: skip


def test_public_names_are_exactly_the_promised_ones() -> None:
    assert set(unlearn.__all__) == PUBLIC
    assert all(callable(getattr(unlearn, name)) for name in PUBLIC)


def test_importing_the_package_needs_no_torch_and_no_network() -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*args, **kwargs): raise AssertionError('network at import')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "import unlearn, unlearn.cli.app\n"
        "print(sorted({'torch', 'gradio', 'open_clip', 'diffusers', 'transformers'} & set(sys.modules)))\n"
        "import unlearn.runs.questions, unlearn.bench.points\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
