"""Shared fixtures: the command line as a user calls it, the backends that are here."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import forks
import pytest

from joulia import registry
from joulia.case import TUNED
from joulia.system import cuda, machine

from . import browser
from .promises import COMPLETE, WHOLE

# A shell without job control starts what it puts into the background with interrupts ignored, and
# processes inherit that: tests that interrupt joulia would wait for nothing.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A case takes the first of the cores: tests side by side would leave the others idle.
_cores = machine.usable_cores()
_first = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % len(_cores)
os.environ["JOULIA_CORES"] = ",".join(map(str, _cores[_first:] + _cores[:_first]))

# pytest-xdist gives its workers a terminal's width; joulia would take it for the user's wish.
os.environ.pop("COLUMNS", None)

LONGEST = (
    "euler", "ranks", "kernels", "cuda_numba", "occa_cuda", "cuda_cupy", "docs", "submit",
    "cuda_ptx", "gate_revisions", "asv", "cuda_driver", "store", "cli", "parallel", "surroundings",
    "verification", "report", "okl_cuda", "tracer", "energy_commands",
)  # fmt: skip
"""Files that take longest: they come first, so that side by side none is left alone at the end."""

HERE = Path(__file__).parent
BACKENDS = [backend.name for backend in registry.every_backend() if backend.variant == TUNED]
VARIANTS = [backend.name for backend in registry.every_backend() if backend.variant != TUNED]
"""Backends with other sources than the tuned ones, which share everything else with those."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {f"test_{name}": at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


def device(backend: str) -> Any:
    bridge, name, _ = registry.backend(backend)[0]
    return next(d for d in registry.bridge(bridge).devices() if d.name == name)


def require(backend: str) -> None:
    """Skip, by name and with the reason, where a backend is not here."""
    missing = device(backend).missing
    if missing is not None:
        pytest.skip(f"{backend}: {missing}")


def require_source(kernel: str, backend: str) -> None:
    """Skip, by name, where a kernel that does not promise every language lacks this one."""
    where = registry.backend(backend)[0]
    if registry.source(kernel, *where) is None:
        promised = where.variant == TUNED or backend in WHOLE
        assert not (promised and kernel in COMPLETE), f"{kernel} promises a version for {backend}"
        pytest.skip(f"{kernel} has no version for {backend}")


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """What a runtime that starts in the tests' process puts there reaches no later test's."""
    before = set(os.environ)
    yield
    for name in set(os.environ) - before - {"PYTEST_CURRENT_TEST"}:
        del os.environ[name]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Every backend; those that are not here are skipped by name."""
    require(request.param)
    return str(request.param)


@pytest.fixture(scope="session")
def commands() -> Iterator[forks.Commands]:
    started = forks.Commands()
    yield started
    started.close()


@pytest.fixture
def joulia(commands: forks.Commands) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line: `joulia("run", "heat", env={...})`."""

    def run(
        *arguments: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return commands.run(list(map(str, arguments)), os.environ | (env or {}), cwd, 300.0)

    return run


@pytest.fixture
def measured(
    joulia: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> Callable[..., list[dict[str, Any]]]:
    """Run cases quickly and return their records."""

    def run(
        *arguments: str, env: dict[str, str] | None = None, repeats: int = 2
    ) -> list[dict[str, Any]]:
        output = tmp_path / "records.jsonl"
        done = joulia(
            "run", *arguments, "--window", "0.005", "--repeats", str(repeats), "--no-ceiling",
            "--output", output, env=env,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode in (0, 1), done.stderr
        return [json.loads(line) for line in output.read_text().splitlines()]

    return run


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which a third-party kernel and third-party bridges are installed by pip."""
    target = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / "plugins"
    subprocess.run(["cp", "-r", str(HERE / "plugins"), str(source)], check=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
        + ["--disable-pip-version-check", "--root-user-action=ignore"]
        + ["--target", str(target), str(source)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return {"PYTHONPATH": str(target)}


@pytest.fixture(scope="session")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a stand-in for the CUDA driver, for LD_LIBRARY_PATH: it computes nothing."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler (Debian: apt install gcc)")
    folder = tmp_path_factory.mktemp("stub")
    source = HERE / "support" / "stub_cuda" / "libcuda.c"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", folder / cuda.LIBRARY, source],
        check=True,
    )
    return folder


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    if browser.find() is None:
        pytest.skip("no Chromium here (apt install chromium, or set JOULIA_CHROMIUM)")
    opened = browser.Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()
