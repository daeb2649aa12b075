"""The house: packages in one order of dependency, read from the imports themselves."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import joulia

HOME = Path(joulia.__file__).parent

FLOORS = (
    ("cli", "results", "pytest_plugin", "__init__", "__main__"),
    ("report", "setup", "gate", "submit"),
    ("analysis",),
    ("runner", "measure"),
    ("energy", "simulation", "sites"),
    ("records", "parallel", "meters", "kernels"),
    ("bridges",),
    ("arrays", "bridge", "checks", "device_memory", "grid", "kernel", "registry"),
    ("system",),
    ("errors", "case", "version"),
)
"""From the top down. A room imports from floors below its own; rooms of one floor do not meet."""
CONTRACT = 7
"""The floor that kernels, bridges, meters and plug-ins stand on: its modules may import another."""


def modules() -> dict[str, Path]:
    """All modules by their dotted name without `joulia.`; packages are their `__init__`."""
    by_name = {}
    for path in sorted(HOME.rglob("*.py")) + sorted(
        path for group in ("kernels", "bridges") for path in (HOME / group).resolve().rglob("*.py")
    ):
        inside = path.relative_to(HOME) if HOME in path.parents else Path(*path.parts[-2:])
        for group in ("kernels", "bridges"):
            folder = (HOME / group).resolve()
            if folder in path.parents:
                inside = Path(group) / path.relative_to(folder)
        parts = inside.with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        by_name[name] = path
    return by_name


MODULES = modules()


def imported(path: Path) -> Iterator[str]:
    """Every module of joulia that a file imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.partition(".")[0] == "joulia":
                yield resolve(name.partition(".")[2])


def resolve(name: str) -> str:
    """The module that a dotted name is, or is in."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name or "__init__"


IMPORTS = {name: set(imported(path)) - {name} for name, path in MODULES.items()}


def floor(module: str) -> int:
    room = module.partition(".")[0]
    return next(i for i, rooms in enumerate(FLOORS) if room in rooms)


def test_every_module_has_a_place() -> None:
    known = {room for rooms in FLOORS for room in rooms}
    assert {name.partition(".")[0] for name in MODULES} == known


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_go_down(module: str) -> None:
    room = module.partition(".")[0]
    against = [
        target
        for target in IMPORTS[module]
        if target.partition(".")[0] != room
        and floor(target) <= floor(module)
        and not floor(target) == floor(module) in (0, CONTRACT, len(FLOORS) - 1)
    ]
    assert against == [], f"{module} imports upwards, or next door"


def test_no_circle() -> None:
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join([*way[way.index(name) :], name])
        if name not in done:
            for target in sorted(IMPORTS[name]):
                visit(target, (*way, name))
            done.add(name)

    for name in sorted(MODULES):
        visit(name, ())


def test_the_process_that_measures_and_the_one_that_asks_never_meet() -> None:
    def reach(name: str, seen: set[str]) -> set[str]:
        for target in IMPORTS[name] - seen:
            seen |= {target}
            reach(target, seen)
        return seen

    for room, other in (("runner", "measure"), ("measure", "runner")):
        for module in MODULES:
            if module.partition(".")[0] == room:
                met = {name for name in reach(module, set()) if name.partition(".")[0] == other}
                assert met == set(), f"{module} reaches {met}"


PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"


@pytest.mark.skipif(not PAGE.is_file(), reason="docs/ is in the source tree only")
def test_the_page_says_of_every_file_what_it_says_of_itself() -> None:
    page = PAGE.read_text()
    named = {}
    for path in sorted(HOME.rglob("*.py")):
        inside = path.relative_to(HOME)
        if inside.parts[0] in ("kernels", "bridges") or inside.name == "__main__.py":
            continue
        line = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
        name = f"{inside.parent}/" if inside.name == "__init__.py" else str(inside)
        if name != "./":
            named[name] = f"- `{name}`: {line}\n"
    assert [name for name, line in named.items() if line not in page] == []
    mentioned = re.findall(r"`([a-z_]+/[a-z_./]*|[a-z_]+\.py)`", page)
    missing = [
        name
        for name in mentioned
        if not (HOME / name).exists()
        and not (HOME.parents[1] / name).exists()
        and not (HOME / "kernels" / name).exists()
        and not (HOME.parents[1] / "tests" / name).exists()
    ]
    assert missing == []


def test_the_imports_were_seen() -> None:
    """This test reads what it says it reads."""
    assert "energy.monitor" in IMPORTS["measure.beginning"]
    assert "kernel" in IMPORTS["kernels.heat"]
    assert "system.cuda" in IMPORTS["bridges.cupy"]
    assert len(MODULES) > 100
