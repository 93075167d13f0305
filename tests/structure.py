"""Prints the shape of the code: floors, circles and arrows back up of its imports; long files and functions, many parameters.

    python -m tests.structure            the figures
    python -m tests.structure --chain    for each floor from the top, what every module on it needs from the floor below

A module stands one floor above the highest module that it imports, wherever the import is: at the top of the file, within a function or
for a type only. A circle is a set of modules that import each other. An arrow goes back up when a package imports from one of the same
or a higher rank (`RANKS`).
"""

from __future__ import annotations

import argparse
import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MOST_LINES, MOST_FUNCTION_LINES, MOST_PARAMETERS = 250, 40, 5
RANKS: tuple[tuple[str, ...], ...] = (
    ("unlearn.errors", "unlearn.memory", "unlearn.modes", "unlearn.progress"),
    ("unlearn.config", "unlearn.files", "unlearn.jobs", "unlearn.proxies"),
    ("unlearn.cluster", "unlearn.hub", "unlearn.photos"),
    ("unlearn.texts", "unlearn.models"),
    ("unlearn.attacks", "unlearn.defence"),
    ("unlearn.measure",),
    ("unlearn.runs",),
    ("unlearn.evaluation", "unlearn.bench"),
    ("unlearn.cli", "ui.server"),
    ("ui.views", "ui.worker"),
    ("ui.page",),
    ("app", "unlearn.__main__"),
)
FACES = ("unlearn", "ui")  # their __init__ only hand names on, when these are asked for


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> file of every module of the application."""
    files = [*ROOT.glob("unlearn/**/*.py"), *ROOT.glob("ui/**/*.py"), ROOT / "app.py"]
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}
    return {name: path for name, path in sorted(names.items()) if name not in FACES}


@cache
def imported(name: str) -> frozenset[str]:
    """Modules of the application that a module imports, wherever in its file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(modules()[name].read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if names <= modules().keys() else names | {node.module}  # of a package alone, not what its face hands on
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return frozenset(found & modules().keys() - {name})


def foreign_imports(name: str) -> set[str]:
    """The first part of everything that a module imports."""
    tree = ast.walk(ast.parse(modules()[name].read_text("utf-8")))
    found: set[str] = set()
    for node in tree:
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def place(name: str) -> str | None:
    """The package or module of `RANKS` that a module belongs to; None: it stands nowhere."""
    return next((one for row in RANKS for one in row if name == one or name.startswith(f"{one}.")), None)


def rank(name: str) -> int:
    """The number of the line of `RANKS` in which a module's package stands."""
    return next(number for number, row in enumerate(RANKS) if place(name) in row)


def arrows_back_up() -> list[tuple[str, str]]:
    """(Module, what it imports) across packages, where that is not of a lower rank."""
    placed = [name for name in modules() if place(name) is not None]
    pairs = [(name, other) for name in placed for other in sorted(imported(name)) if place(other) not in (None, place(name))]
    return [(name, other) for name, other in pairs if rank(other) >= rank(name)]


def reached(name: str) -> set[str]:
    """Everything that a module imports, directly or not."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        new = imported(waiting.pop()) - seen
        seen |= new
        waiting += new
    return seen


def circles() -> list[set[str]]:
    """Sets of modules that import each other."""
    found: list[set[str]] = []
    for name in modules():
        circle = {other for other in reached(name) if name in reached(other)}
        if circle and circle not in found:
            found.append(circle)
    return found


@cache
def floor(name: str) -> int:
    """1 for a module that imports none of the application; not defined in a circle."""
    return 1 + max((floor(other) for other in imported(name)), default=0)


def chain() -> list[tuple[int, str, list[str]]]:
    """(Floor, module, what it imports from the floor below) of the modules that the top floor rests on, from the top."""
    rows = []
    level = [name for name in modules() if floor(name) == max(map(floor, modules()))]
    while level:
        below = {name: sorted(other for other in imported(name) if floor(other) == floor(name) - 1) for name in level}
        rows += [(floor(name), name, below[name]) for name in level]
        level = sorted({other for others in below.values() for other in others})
    return rows


def _functions(path: Path) -> list[tuple[str, int, int]]:
    """(Name, lines, parameters besides self and cls) of the functions in a file."""
    rows = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            n_parameters = len([one for one in arguments if one.arg not in ("self", "cls")])
            rows.append((node.name, (node.end_lineno or node.lineno) - node.lineno + 1, n_parameters))
    return rows


def main() -> None:
    """Print the figures, or the longest chains of imports."""
    parser = argparse.ArgumentParser(prog="python -m tests.structure")
    parser.add_argument("--chain", action="store_true", help="the longest chains of imports, from the top floor to the lowest")
    if parser.parse_args().chain:
        for level, name, below in chain():
            print(f"{level:3}  {name:32}  {', '.join(below)}")
        return
    n_lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in modules().items()}
    functions = [(f"{name}.{row[0]}", *row[1:]) for name, path in modules().items() for row in _functions(path)]
    print(f"modules: {len(n_lines)}, lines: {sum(n_lines.values())}")
    print(f"circles: {len(circles())}", *circles())
    print(f"floors: {max(map(floor, modules())) if not circles() else 'not defined'}")
    print(f"arrows back up: {len(arrows_back_up())}", *arrows_back_up())
    print("without a rank:", [name for name in modules() if place(name) is None])
    print(f"files over {MOST_LINES} lines:", {name: n for name, n in n_lines.items() if n > MOST_LINES})
    print(f"functions over {MOST_FUNCTION_LINES} lines:", {name: n for name, n, _ in functions if n > MOST_FUNCTION_LINES})
    print(f"functions with over {MOST_PARAMETERS} parameters:", {name: n for name, _, n in functions if n > MOST_PARAMETERS})


if __name__ == "__main__":
    main()
