"""README and docs: every command in them parses, every link leads somewhere, and the Python example proves itself."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import app
from unlearn.cli.app import app as commands

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BUILDERS = (
    "assets.build", "assets.build.contact", "assets.build.face_finder", "assets.build.photos", "assets.build.prepared",
    "tests.cuda_check", "tests.measure_evidence", "tests.measure_finders", "tests.measure_page",
)  # fmt: skip


def _text(page: Path) -> str:
    text = page.read_text("utf-8")
    return text.split("\n---\n", 1)[1] if text.startswith("---\n") else text  # without a Space's front matter


def _commands() -> list[str]:
    """Every command that stands in a code block or between backquotes, without its comment, each once."""
    found: dict[str, None] = {}
    for page in PAGES:
        text = _text(page)
        blocks = re.findall(r"```\w*\n(.*?)```", text, flags=re.DOTALL)
        spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        for line in [line for block in blocks for line in block.splitlines()] + spans:
            line = re.sub(r"\s+#.*", "", line.strip().removeprefix("$ "))
            if re.match(r"(python -m |python app\.py|make [a-z])", line):
                found[line] = None
    return list(found)


def _parse(words: list[str]) -> None:
    """Parse the words of a `python -m unlearn` command as the command line does, without running it."""
    group = typer.main.get_command(commands)
    context = group.make_context("unlearn", list(words), resilient_parsing=False)
    name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
    if "--help" not in rest:
        command.make_context(name, rest, parent=context)


def test_pages_hold_commands_of_every_kind() -> None:
    kinds = {" ".join(command.split()[:3]) for command in _commands()}
    assert {"python -m unlearn", "python -m assets.build", "make run", "make test"} <= kinds


@pytest.mark.parametrize("command", _commands())
def test_command_of_the_docs_parses(command: str) -> None:
    words = shlex.split(command)
    if words[0] == "make":
        assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text("utf-8"), command
    elif words[1] == "app.py":
        if "--help" not in words:
            app._parser().parse_args(words[2:])
    elif words[2] == "unlearn":
        _parse(words[3:])
    else:
        assert words[2] in BUILDERS, f"{command}: unknown module"
        options = re.findall(r"(?<!\S)--[a-z-]+", command)
        text = (ROOT / Path(*words[2].split("."))).with_suffix(".py")
        source = (text if text.is_file() else text.with_suffix("") / "__main__.py").read_text("utf-8")
        assert all(f'"{option}"' in source for option in options), command


def test_command_with_an_unknown_option_does_not_parse() -> None:
    with pytest.raises(Exception, match="no-such-option"):
        _parse(["forget", "--no-such-option", "x"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_of_the_project(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", _text(page))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_fences_of_code_stand_alone_in_their_lines(page: Path) -> None:
    assert [line for line in _text(page).splitlines() if "```" in line and not re.fullmatch(r"```\w*", line.strip())] == []


def test_readme_is_short_and_its_lines_are() -> None:
    lines = _text(ROOT / "README.md").strip().splitlines()
    assert len(lines) <= 150
    assert [line for line in lines if len(line) >= 120] == []


def test_readme_links_every_page_of_the_docs() -> None:
    text = _text(ROOT / "README.md")
    assert [page.name for page in PAGES[1:] if f"docs/{page.name}" not in text] == []


def test_python_example_of_the_readme_proves_itself(tmp_path: Path) -> None:
    example = re.search(r"```python\n(.*?)```", _text(ROOT / "README.md"), flags=re.DOTALL)
    assert example is not None and example.group(1).count("assert") == 2
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{example.group(1)}"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
