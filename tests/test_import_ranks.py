"""A package imports only packages of a strictly lower rank, no modules import each other in a circle, and the page loads no model."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.structure import RANKS, ROOT, arrows_back_up, chain, circles, floor, foreign_imports, modules, place


def test_every_module_belongs_to_a_package_of_the_table() -> None:
    assert [name for name in modules() if place(name) is None] == []
    assert len(RANKS) == 12


def test_packages_import_only_packages_of_lower_rank() -> None:
    assert arrows_back_up() == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circles() == []


def test_chains_lead_from_the_top_floor_to_the_lowest_one_floor_at_a_time() -> None:
    rows = chain()
    levels = {name: level for level, name, _ in rows}
    assert rows[0][0] == max(map(floor, modules())) and rows[-1][0] == 1
    assert all(below and {levels[other] for other in below} == {level - 1} for level, _, below in rows if level > 1)


def test_core_imports_neither_the_page_nor_gradio_and_nothing_imports_the_tests() -> None:
    for name in modules():
        foreign = foreign_imports(name)
        assert "tests" not in foreign, name
        assert not (name.startswith("unlearn") and foreign & {"gradio", "ui", "app"}), name


@pytest.mark.parametrize("package", ["ui.server", "ui.views"])
def test_server_and_views_import_neither_torch_nor_gradio(package: str) -> None:
    names = [name for name in modules() if name.startswith(f"{package}.")]
    script = "import importlib, sys\n" + "".join(f"importlib.import_module({name!r})\n" for name in names)
    script += "print(sorted({'torch', 'gradio'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
