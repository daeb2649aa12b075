"""What changes a measurement is part of its identity: compilers, flags, versions, the machine."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from joulia import registry
from joulia.bridges import julia as julia_bridge
from joulia.bridges import numba as numba_bridge
from joulia.bridges import occa
from joulia.case import Case, Settings
from joulia.gate.builds import Build
from joulia.gate.measure import Runner
from joulia.records import software
from joulia.runner import session
from joulia.system import machine

from .conftest import require
from .results import record, write

Command = Callable[..., subprocess.CompletedProcess[str]]


def case(backend: str, ranks: int = 1) -> Case:
    (where,) = registry.backend(backend)
    shape = registry.kernel("heat").kernel.sizes["tiny"]
    return registry.case("heat", where, shape, size="tiny", ranks=ranks)


def identity(backend: str, ranks: int = 1) -> str:
    return session.identify(case(backend, ranks), Settings())


# ---- compilers and their caches ------------------------------------------------------------


def test_a_run_without_optimisation_leaves_nothing_for_ordinary_ones(
    joulia: Command, tmp_path: Path
) -> None:
    """NUMBA_OPT=0 once, and every later run on the shared cache took twice as long."""
    output = tmp_path / "r.jsonl"

    def run(*options: str, **env: str) -> dict[str, Any]:
        arguments = ["stream", "-b", "numba", "--size", "tiny", "--threads", "1", "--no-ceiling"]
        method = ["--window", "0.001", "--repeats", "1", "-o", str(output)]
        shared = {"NUMBA_CACHE_DIR": str(tmp_path / "numba")}
        done = joulia("run", *arguments, *method, *options, env=shared | env)
        assert done.returncode == 0, done.stderr
        last: dict[str, Any] = json.loads(output.read_text().splitlines()[-1])
        return last

    slow = run(NUMBA_OPT="0")
    assert slow["variant"]["NUMBA_OPT"] == "0"
    ordinary = run()
    assert ordinary["id"] != slow["id"], "resumed from the run without optimisation"
    assert ordinary["startup"]["cache"] == "cold", "loaded what was compiled without optimisation"
    assert "NUMBA_OPT" not in ordinary["variant"]
    again = run("--no-resume")
    assert (again["id"], again["startup"]["cache"]) == (ordinary["id"], "warm")
    shown = joulia("show", output, env={"COLUMNS": "200"}).stdout
    assert "measured with different code: NUMBA_OPT 0 and not set" in " ".join(shown.split())


@pytest.mark.parametrize(("setting", "value"), [("OPT", 0), ("BOUNDSCHECK", 1), ("ENABLE_AVX", 0)])
def test_numba_keeps_code_apart_by_what_it_was_compiled_with(
    setting: str, value: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it was set: a variable, or `.numba_config.yaml` in the current folder."""
    config: Any = importlib.import_module("numba.core.config")
    monkeypatch.setattr(config, "CACHE_DIR", config.CACHE_DIR)

    def place() -> str:
        numba_bridge.keep_in_cache(tmp_path)
        return str(config.CACHE_DIR)

    before = place()
    monkeypatch.setattr(config, "NUMBA_NUM_THREADS", 99)
    assert place() == before
    monkeypatch.setattr(config, setting, value)
    assert place() != before


@pytest.mark.parametrize("package", ["numpy", "numba", "llvmlite"])
def test_numba_keeps_code_apart_by_version(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config: Any = importlib.import_module("numba.core.config")
    before = numba_bridge.compiler_state(config)
    monkeypatch.setattr(f"{package}.__version__", "1.24.2")
    assert numba_bridge.compiler_state(config) != before


def other_compiler(folder: Path) -> Path:
    """The compiler that is here, of another version."""
    path = folder / "g++-99"
    path.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "g++ 99.1" || exec {occa.compiler()} "$@"\n'
    )
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("name", "value"),
    [("OCCA_CXXFLAGS", "-O0"), ("OCCA_LDFLAGS", "-lm"), ("OCCA_CXX", "g++ -O0"),
     ("OCCA_CXX", "another version"), ("CPATH", "/opt/include")],
)  # fmt: skip
def test_occa_keeps_code_apart_by_compiler_and_flags(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("occa:serial")
    before = occa.cache_folder(case("occa:serial")), identity("occa:serial")
    value = str(other_compiler(tmp_path)) if value == "another version" else value
    monkeypatch.setenv(name, value)
    after = occa.cache_folder(case("occa:serial")), identity("occa:serial")
    assert after[0] != before[0]
    assert after[1] != before[1]


def test_julia_keeps_code_apart_that_its_own_cache_would_mix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Julia's cache knows of --check-bounds and -O, not of what is passed on to LLVM."""
    home, project = tmp_path / "home", tmp_path / "project"
    for folder in (home / ".julia" / "packages", home / ".julia" / "compiled", project):
        folder.mkdir(parents=True)
    exe = tmp_path / "julia"
    exe.write_text("#!/bin/sh\necho julia version 1.11.3\n")
    exe.chmod(0o755)
    for name in list(os.environ):
        if name.startswith(("JULIA_", "PYTHON_JULIACALL_", "OPENBLAS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv(julia_bridge.EXE, str(exe))
    monkeypatch.setenv(julia_bridge.PROJECT, str(project))
    monkeypatch.setenv("JOULIA_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("HANDLE_SIGNALS", "THREADS", "OPTIMIZE", "STARTUP_FILE"):
        monkeypatch.setenv(f"PYTHON_JULIACALL_{name}", "")  # which `configure` sets
    for name in ("JULIA_EXCLUSIVE", "OPENBLAS_NUM_THREADS", "JULIA_CUDA_MEMORY_POOL"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("JULIA_DEPOT_PATH", "")

    ordinary = identity("julia")
    julia_bridge.configure(1)
    assert not os.environ["JULIA_DEPOT_PATH"]
    monkeypatch.setenv("JULIA_LLVM_ARGS", "-opt-bisect-limit=0")
    julia_bridge.configure(1)
    (own, *_) = os.environ["JULIA_DEPOT_PATH"].split(os.pathsep)
    assert [path.name for path in Path(own).iterdir()] == ["packages"]
    assert identity("julia") != ordinary


# ---- identity ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backend", "name", "value"),
    [
        ("numba", "NUMBA_BOUNDSCHECK", "1"), ("numba", "NUMBA_THREADING_LAYER", "workqueue"),
        ("numba", "OMP_SCHEDULE", "dynamic"), ("numpy", "NPY_DISABLE_CPU_FEATURES", "AVX2"),
        ("numpy", "LD_PRELOAD", "libjemalloc.so"), ("occa:openmp", "GOMP_SPINCOUNT", "0"),
        ("julia", "PYTHON_JULIACALL_CHECK_BOUNDS", "yes"),
    ],
)  # fmt: skip
def test_variables_that_change_code_change_the_identity(
    backend: str, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name, raising=False)
    before = identity(backend)
    monkeypatch.setenv(name, value)
    assert identity(backend) != before


@pytest.mark.parametrize(
    ("backend", "name", "value"),
    [
        ("numpy", "NUMBA_OPT", "0"), ("numpy", "OCCA_CXXFLAGS", "-O0"),
        ("numba", "OMP_NUM_THREADS", "7"), ("numba", "OPENBLAS_NUM_THREADS", "7"),
        ("numba", "NUMBA_CACHE_DIR", "/tmp/elsewhere"), ("numba", "FI_PROVIDER", "tcp"),
    ],
)  # fmt: skip
def test_what_does_not_reach_a_case_does_not_change_it(
    backend: str, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables of other backends, those that joulia sets itself, and places."""
    monkeypatch.delenv(name, raising=False)
    before = identity(backend)
    monkeypatch.setenv(name, value)
    assert identity(backend) == before


def test_ranks_see_the_variables_of_mpi(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity("numpy", ranks=2)
    monkeypatch.setenv("FI_PROVIDER", "tcp")
    assert identity("numpy", ranks=2) != before


@pytest.mark.parametrize(
    ("package", "backend", "changes"),
    [("numpy", "numpy", True), ("numba", "numba", True), ("llvmlite", "numba", True),
     ("numba", "numpy", False), ("juliacall", "julia", True)],
)  # fmt: skip
def test_versions_change_the_identity_of_what_they_run(
    package: str, backend: str, changes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another environment on the same results file: its listing of packages comes first."""
    before = identity(backend)
    listing = tmp_path / f"{package}-1.24.2.dist-info"
    listing.mkdir()
    (listing / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.24.2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    software.installed.cache_clear()
    try:
        assert software.installed(package) == "1.24.2"
        assert (identity(backend) != before) is changes
    finally:
        software.installed.cache_clear()


def test_numbas_file_in_the_current_folder_changes_the_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = identity("numba")
    (tmp_path / ".numba_config.yaml").write_text("opt: 0\n")
    assert identity("numba") != before


# ---- the machine ---------------------------------------------------------------------------


def test_another_host_name_and_less_memory_are_the_same_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine.describe.cache_clear()
    before = machine.describe()
    bytes_ = machine.memory_bytes()
    monkeypatch.setattr("socket.gethostname", lambda: "dhcp-17")
    monkeypatch.setattr(machine, "memory_bytes", lambda: bytes_ - 4096)
    machine.describe.cache_clear()
    after = machine.describe()
    machine.describe.cache_clear()
    assert after.id == before.id
    assert (after.hostname, after.memory_bytes) == ("dhcp-17", bytes_ - 4096)


@pytest.mark.parametrize("built_in", [16, 24, 64, 384, 512])
def test_memory_of_a_size_is_one_whatever_the_kernel_keeps(
    built_in: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What /proc/meminfo tells of so many GiB: all of them, 4 KiB less, and 1 to 5 % less."""
    seen = set()
    for left in (built_in << 30, (built_in << 30) - 4096, int(built_in * 0.99 * 2**30),
                 int(built_in * 0.95 * 2**30)):  # fmt: skip
        monkeypatch.setattr(machine, "memory_bytes", lambda left=left: left)
        seen.add(machine.hardware()["memory_bytes"])
    assert len(seen) == 1


@pytest.mark.skipif(len(machine.usable_cores()) < 2, reason="needs two cores")
def test_taskset_is_the_same_machine_with_fewer_cores() -> None:
    script = (
        "import os; os.environ.pop('JOULIA_CORES', None); "
        "os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:int(os.environ['LENT'])]); "
        "from joulia.system import machine; here = machine.describe(); print(here.id, here.cores)"
    )
    lines = [
        subprocess.run(
            [sys.executable, "-c", script], env=os.environ | {"LENT": lent},
            capture_output=True, text=True, check=True,
        ).stdout.split()
        for lent in ("1", "2")
    ]  # fmt: skip
    assert lines[0][0] == lines[1][0]
    assert [cores for _, cores in lines] == ["1", "2"]


def tree(root: Path, cpu: str, present: str) -> Path:
    for path, text in {"proc/cpuinfo": cpu, "sys/devices/system/cpu/present": present}.items():
        (root / path).parent.mkdir(parents=True)
        (root / path).write_text(text + "\n")
    return root


def test_another_processor_and_other_cores_are_another_machine(tmp_path: Path) -> None:
    ac922 = "processor\t: 0\ncpu\t\t: POWER9, altivec supported"
    epyc = "processor\t: 0\nmodel name\t: AMD EPYC 7763 64-Core Processor"
    made = [
        machine.hardware(tree(tmp_path / str(number), cpu, present))
        for number, (cpu, present) in enumerate(
            [(ac922, "0-159"), (ac922, "0-127"), (epyc, "0-127"), (epyc, "0-3,8-11")]
        )
    ]
    assert [facts["cores"] for facts in made] == [160, 128, 128, 8]
    assert len({json.dumps(facts) for facts in made}) == 4


def test_a_name_makes_records_of_one_machine(joulia: Command, tmp_path: Path) -> None:
    output = tmp_path / "r.jsonl"
    arguments = ["run", "stream", "-b", "numpy", "--size", "tiny", "--no-ceiling", "-o", output]
    method = ["--window", "0.001", "--repeats", "1"]
    assert joulia(*arguments, *method, "--machine", "ac922").returncode == 0
    assert joulia(*arguments, *method).returncode == 0
    named, bare = (json.loads(line) for line in output.read_text().splitlines())
    assert (named["machine"]["name"], named["settings"]["machine"]) == ("ac922", "ac922")
    assert bare["machine"]["name"] is None
    assert named["machine"]["id"] == machine.describe("ac922").id != bare["machine"]["id"]
    assert "ac922" in joulia("compare", output).stdout

    refused = joulia(*arguments, "--machine", " ")
    assert refused.returncode == 2
    assert refused.stderr.strip().splitlines() == [
        "joulia: --machine ' ' is not allowed. Allowed: a name, as in ac922"
    ]


def test_the_gate_names_the_machine_of_both_builds(tmp_path: Path) -> None:
    """Also of an older revision, whose joulia told machines by their host names."""
    older = record("numpy")
    written = write(tmp_path / "older.jsonl", [older])
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\nwhile [ $# -gt 1 ]; do [ "$1" = --output ] && cp {written} "$2"; shift; done\n'
    )
    python.chmod(0o755)
    build = Build("base", "0" * 40, "older", python, dict(os.environ))
    (renamed,) = Runner(tmp_path, 60.0, "ac922").run(build, ["heat"])
    assert renamed == replace(older, machine=machine.describe("ac922"))


# ---- the commit ----------------------------------------------------------------------------


def repository(folder: Path) -> Path:
    folder.mkdir()
    (folder / "file").write_text("text\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", folder.name]):
        author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", str(folder), *author, *command], check=True)
    return folder


def head(folder: Path) -> str:
    asked = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@needs_git
def test_the_commit_is_that_of_the_tree_whatever_git_dir_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a hook of another repository, which runs with GIT_DIR and GIT_WORK_TREE."""
    own, foreign = repository(tmp_path / "own"), repository(tmp_path / "foreign")
    expected = head(own)
    assert expected != head(foreign)
    monkeypatch.setenv("GIT_DIR", str(foreign / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(foreign))
    monkeypatch.setenv("GIT_INDEX_FILE", str(foreign / ".git" / "index"))
    assert software.commit_of(own) == software.Commit(expected)
    (own / "file").write_text("changed\n")
    assert software.commit_of(own) == software.Commit(expected + "+")


@needs_git
@pytest.mark.skipif(os.geteuid() != 0, reason="needs to give a folder to another user")
def test_a_repository_of_another_owner_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = repository(tmp_path / "own")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("SUDO_UID", raising=False)
    for path in (own, own / ".git"):
        os.chown(path, 12345, 12345)
    told = software.commit_of(own)
    assert told.name is None
    assert told.reason is not None
    assert told.reason.startswith("git refused: fatal: detected dubious ownership")


@needs_git
def test_a_broken_repository_inside_another_one_is_not_that_one(tmp_path: Path) -> None:
    outer = repository(tmp_path / "outer")
    (outer / "joulia" / ".git").mkdir(parents=True)
    told = software.commit_of(outer / "joulia")
    assert told == software.Commit(None, f"git takes {outer} for the repository of {outer}/joulia")


def fake_git(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "bin" / "git"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")


def test_a_git_that_hangs_is_named_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    fake_git(tmp_path, f"sleep 40 & echo $! > {tmp_path}/pid; wait", monkeypatch)
    told = software.commit_of(tmp_path, patience_s=1.0)
    assert told == software.Commit(None, "git did not answer within 1 s")
    pid = (tmp_path / "pid").read_text().strip()
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        status = "gone"
    assert status in ("gone", "Z")


@pytest.mark.parametrize(
    ("script", "reason"),
    [("kill -SEGV $$", "git refused: exit code -11"), ("exit 0", "git cannot be asked: ")],
)
def test_whatever_git_does_a_measured_case_is_kept(
    script: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    fake_git(tmp_path, script, monkeypatch)
    told = software.commit_of(tmp_path)
    assert told.name is None
    assert told.reason is not None
    assert told.reason.startswith(reason)
    monkeypatch.setattr(software, "HOME", tmp_path / "src" / "joulia")
    software.commit.cache_clear()
    try:
        assert software.commit() == told
    finally:
        software.commit.cache_clear()


def test_without_git_or_a_repository_the_commit_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert software.commit_of(tmp_path).reason == "joulia does not run from a git repository"
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    told = software.commit_of(tmp_path)
    assert told.name is None
    assert "'git'" in str(told.reason)
