"""The pages under docs/ followed literally: files written, commands run, outputs looked for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from joulia import registry
from joulia.records import store

from .conftest import require

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = ("add-a-kernel.md", "add-a-backend.md", "add-a-gpu-backend.md", "add-a-meter.md")

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="docs/ is in the source tree only")


def files(text):
    """File names with their content: a line with the name in backticks, then a block."""
    return re.findall(r"^`([^`\n]+)`:\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text):
    """Commands with the lines that must appear in their output."""
    steps = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append((line[2:], []))
            else:
                steps[-1][1].append(line)
    return steps


@pytest.mark.parametrize("page", PAGES)
def test_a_page_works_as_it_is_written(page, tmp_path):
    text = (DOCS / page).read_text()
    project, site = tmp_path / "project", tmp_path / "site"
    for name, content in files(text):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(content)
    env = os.environ | {
        # pip install puts it where only this test sees it, and needs no network.
        "PIP_TARGET": str(site),
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
        "PYTHONPATH": str(site),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "JOULIA_ROOT": str(tmp_path),
    }
    steps = commands(text)
    assert len(steps) >= 3
    for command, expected in steps:
        done = subprocess.run(
            command, shell=True, cwd=project, env=env, capture_output=True, text=True, timeout=240
        )
        output = done.stdout + done.stderr
        allowed = (0, 1) if command.startswith("joulia doctor") else (0,)
        assert done.returncode in allowed, f"{command}\n{output}"
        for line in expected:
            assert line in output, f"{command}\n{output}"


def test_the_gates_example_is_as_it_is_written(tmp_path):
    """docs/gate.md in a project that is not joulia."""
    text = (DOCS / "gate.md").read_text()
    for name, content in files(text):
        (tmp_path / name).write_text(content)
    who = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")
    env = (
        os.environ
        | dict.fromkeys(who, "somebody")
        | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "JOULIA_ROOT": str(tmp_path / "root"),
            "JOULIA_CACHE_DIR": str(tmp_path / "cache"),
        }
    )
    steps = commands(text)
    assert len(steps) == 5
    for command, expected in steps:
        done = subprocess.run(
            command.replace("joulia gate", f"{sys.executable} -m joulia gate"),
            shell=True, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        for line in expected:
            assert line in done.stdout, f"{command}\n{done.stdout}{done.stderr}"


def test_the_page_of_meters_has_a_row_for_each():
    rows = re.findall(r"^\| `(\w+)` \|", (DOCS / "meters.md").read_text(), re.MULTILINE)
    own = {
        name for name, module in registry.meters().items() if "joulia.meters." in module.__name__
    }
    assert sorted(rows) == sorted(own - {"fake"})


def checkout(target: Path) -> Path:
    """The tracked and the new files of this checkout, as a clone would have them."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(git, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("needs a git checkout, whose files it copies")
    for name in listed.stdout.split("\0"):
        source = ROOT / name
        if name and (source.is_symlink() or source.is_file()):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name, follow_symlinks=False)
    return target


def test_a_kernel_added_in_a_checkout_passes_lint_types_and_conformance(tmp_path):
    """docs/add-a-kernel.md up to its last section; of `make test`, what takes up a new kernel."""
    root = checkout(tmp_path / "joulia")
    if (ROOT / ".mypy_cache").is_dir():  # NumPy's types, read by an earlier `make check`
        shutil.copytree(ROOT / ".mypy_cache", root / ".mypy_cache")
    text = (DOCS / "add-a-kernel.md").read_text()
    for name, content in files(text):
        if name.startswith("kernels/"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content)
    env = os.environ | {
        "PYTHONPATH": str(root / "src"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    chosen = "advection or layout or package"
    tests = ["kernels", "layout", "package", "arguments", "cuda_ptx"]
    for command in (
        ["ruff", "check", "kernels/advection"],
        ["ruff", "format", "--check", "kernels/advection"],
        ["mypy", "-m", "joulia.kernels.advection.advection_numba"]
        + ["-m", "joulia.kernels.advection.advection_numpy"],
        ["pytest", "-q", "-p", "no:cacheprovider", "-k", chosen]
        + [f"tests/test_{name}.py" for name in tests],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=root, env=env, capture_output=True, text=True, timeout=1500,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


HACKATHON = DOCS / "hackathon.md"
TOLD = (
    (
        "feed=sync: the device idled for its input ",
        "feed=prefetch: the device idled for its input ",
    ),
    ("Most accurate: relative error ", "Least time at a relative error of at most 0.06: "),
    ("Most accurate: relative error ", "Least time at a relative error of at most 0.05: "),
    ("Most accurate: relative error ", "Least time at a relative error of at most 0.05: "),
    ("shallow_water", "numba"),
    ("euler form=weak p=3", "c++"),
)
"""Beside the names of what was measured, what each command of the page prints on any machine."""
CHOICES = r"solver, \d+ levels, \d+ steps|feed=\w+|\d x \d+, [a-z]+(?: 0\.\d| \d+)?"


def hackathon():
    """The page's commands, each with the output that the page shows."""
    text = HACKATHON.read_text() if HACKATHON.exists() else ""
    block = r"^```console\n\$ (joulia [^\n]*)\n```\n+```text\n(.*?)^```$"
    return re.findall(block, text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(6))
def test_a_command_of_the_hackathon_page_runs_at_tiny_size(number, joulia, tmp_path):
    assert len(hackathon()) == len(TOLD)
    command, shown = hackathon()[number]
    _, *arguments = command.split()
    require("numba")
    sized = "--shape" in arguments or arguments[0] == "frontier"
    small = ["--shape", "32x8x10"] if sized else ["--size", "tiny"]
    quick = ["--window", "0.002", "--repeats", "2", "-o", tmp_path / "results.jsonl"]
    done = joulia(*arguments, *small, *quick)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (*TOLD[number], *re.findall(CHOICES, shown)):
        assert words in done.stdout, f"{words}\n{done.stdout}"
    records = store.load(tmp_path / "results.jsonl")
    valid = [record for record in records if record.status == "valid"]
    assert len(valid) >= 2
    if any(record.energy_estimate for record in valid):
        assert "\u2248 is not measured" in done.stdout


def test_the_pages_and_the_overview_name_each_other():
    overview = (DOCS / "README.md").read_text()
    for page in DOCS.glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in overview, page.name
    for page in DOCS.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_python_page_and_the_notebook_run(tmp_path):
    """The blocks of docs/python.md in one process, one after another."""
    text = (DOCS / "python.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks))
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.html").exists()


def test_the_notebook_runs_from_top_to_bottom(tmp_path):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    script = (
        "import asyncio, sys, nbclient, nbformat\n"
        "book = nbformat.read(sys.argv[1], as_version=4)\n"
        "nbclient.NotebookClient(book, timeout=200, kernel_name='python3').execute()\n"
        "nbformat.write(book, 'done.ipynb')\n"
    )
    assert nbclient
    done = subprocess.run(
        [sys.executable, "-c", script, str(DOCS / "example.ipynb")],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    book = nbformat.read(tmp_path / "done.ipynb", as_version=4)
    cells = [c for c in book.cells if c.cell_type == "code"]
    assert all(c.execution_count for c in cells)
    shown = str(cells)
    assert "times as fast as numpy" in shown or "Choose numpy" in shown
