"""The digest that makes results stale: of what runs in a worker, and of nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import joulia
from joulia import registry
from joulia.case import Settings
from joulia.records import software

HOME = Path(joulia.__file__).parent

LOADED = """
import atexit, json, sys
from pathlib import Path

def tell():
    wanted = ("__main__", "joulia")
    modules = [m for n, m in sys.modules.items() if n.partition(".")[0] in wanted]
    files = [m.__file__ for m in modules if getattr(m, "__file__", None)]
    Path({target!r}).write_text(json.dumps(files))

atexit.register(tell)
"""


def in_digest(file: Path) -> bool:
    """Whether one of the digest's modules or packages holds a file of joulia."""
    return any(file == HOME / name or HOME / name in file.parents for name in software.WORKER)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files of joulia's modules in a worker, at its end."""
    folder = tmp_path_factory.mktemp("worker")
    target = folder / "modules.json"
    (folder / "sitecustomize.py").write_text(LOADED.format(target=str(target)))
    case = {
        "kernel": "heat", "bridge": "numpy", "device": "cpu", "size": "tiny", "shape": [12, 10, 8],
        "dtype": "float64", "ranks": 1, "threads": 1,
        "params": dict(registry.kernel("heat").kernel.resolve({})),
    }  # fmt: skip
    settings = Settings(window_s=1e-3, repeats=2).to_json()
    job = {"case": case, "settings": settings, "launcher": None, "pin": []}
    (folder / "job.json").write_text(json.dumps(job))
    subprocess.run(
        [sys.executable, "-m", "joulia.measure.worker", str(folder / "job.json")],
        env=os.environ | {"PYTHONPATH": str(folder)},
        check=True,
    )
    assert json.loads((folder / "result.json").read_text())["status"] == "valid"
    return [Path(name) for name in json.loads(target.read_text())]


def test_every_module_of_a_worker_is_in_the_digest(loaded: list[Path]) -> None:
    parts = [HOME / "kernels" / "heat", HOME / "bridges" / "numpy.py"]
    own = [file for file in loaded if HOME in file.parents]
    others = [HOME / group / "" for group in ("kernels", "bridges")]  # discovered, not run
    missed = [
        file
        for file in own
        if not in_digest(file)
        and not any(part == file or part in file.parents for part in parts)
        and not any(group in file.parents for group in others)
    ]
    assert missed == []
    assert len(own) > 20


def test_everything_in_the_digest_is_there_and_runs_in_a_worker(loaded: list[Path]) -> None:
    assert [name for name in software.WORKER if not (HOME / name).exists()] == []
    # Meters and GPUs' modules are loaded where they are asked for.
    idle = {"device_memory.py"}
    unused = [
        name
        for name in software.WORKER
        if name not in idle
        and not any(file == HOME / name or HOME / name in file.parents for file in loaded)
    ]
    assert unused == []


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the package, in a folder that holds other distributions as well."""
    target = tmp_path / "site-packages" / "joulia"
    shutil.copytree(HOME, target, symlinks=False, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def digest(package: Path) -> str:
    script = "from joulia.records import software; print(software.code('heat', 'numba'))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(package.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    "changed",
    [
        "measure/method.py", "meters/rapl.py", "kernels/heat/heat_numba.py", "kernels/heat/heat.jl",
        "kernels/_numba_cuda.py", "bridges/_numba_copy.py", "JouliaKernels/src/cells.jl",
    ],
)  # fmt: skip
def test_what_is_measured_with_is_in_the_digest(copied: Path, changed: str) -> None:
    before = digest(copied)
    with (copied / changed).open("a") as file:
        file.write("\n# changed\n")
    assert digest(copied) != before


@pytest.mark.parametrize(
    "changed",
    [
        "analysis/record_table.py", "report/page.py", "report/page.html.j2", "analysis/tables.py",
        "cli/main.py",
        "kernels/heat/README.md", "kernels/tracer/tracer_numba.py", "../_other_distribution.py",
    ],
)  # fmt: skip
def test_what_only_shows_results_is_not(copied: Path, changed: str) -> None:
    before = digest(copied)
    with (copied / changed).open("a") as file:
        file.write("\n# changed\n")
    assert digest(copied) == before
