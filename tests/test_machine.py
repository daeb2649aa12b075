"""Which machine and which commit: whatever the surroundings say, and never at a case's cost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from joulia import registry
from joulia.case import Case, Settings
from joulia.gate.builds import Build
from joulia.gate.measure import Runner
from joulia.records import software
from joulia.runner import session
from joulia.system import machine

from .results import record, write

Command = Callable[..., subprocess.CompletedProcess[str]]


def case(backend: str, ranks: int = 1) -> Case:
    (where,) = registry.backend(backend)
    shape = registry.kernel("heat").kernel.sizes["tiny"]
    return registry.case("heat", where, shape, size="tiny", ranks=ranks)


def identity(backend: str, ranks: int = 1) -> str:
    return session.identify(case(backend, ranks), Settings())


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
    """/proc/cpuinfo as an architecture's kernel writes it, and the processors that are present
    (Linux, Documentation/admin-guide/cputopology.rst)."""
    for path, text in {"proc/cpuinfo": cpu, "sys/devices/system/cpu/present": present}.items():
        (root / path).parent.mkdir(parents=True)
        (root / path).write_text(text + "\n")
    return root


def test_another_processor_and_other_cores_are_another_machine(tmp_path: Path) -> None:
    """Lines of arch/powerpc/kernel/setup-common.c and arch/x86/kernel/cpu/proc.c."""
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


@pytest.mark.parametrize(
    ("implementer", "part", "name"),
    [
        ("0x41", "0xd4f", "Arm Neoverse-V2"),
        ("0x41", "0xd0c", "Arm Neoverse-N1"),
        ("0xc0", "0xac3", "Ampere-1"),
        ("0x48", "0xd01", "Arm, implementer 0x48, part 0xd01"),
    ],
)
def test_arm_processors_are_told_apart_by_their_numbers(
    implementer: str, part: str, name: str, tmp_path: Path
) -> None:
    """/proc/cpuinfo of arm64 (arch/arm64/kernel/cpuinfo.c): no name, an implementer and a part."""
    cpuinfo = (
        "processor\t: 0\nBogoMIPS\t: 2000.00\nFeatures\t: fp asimd\n"
        f"CPU implementer\t: {implementer}\nCPU architecture: 8\nCPU variant\t: 0x0\n"
        f"CPU part\t: {part}\nCPU revision\t: 0\n"
    )
    assert machine.cpu_model(tree(tmp_path, cpuinfo, "0-143")) == name


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

    def status() -> str:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return "gone"

    # Killed it is by now; on a busy machine it has yet to be scheduled to die.
    until = time.monotonic() + 10.0
    while status() not in ("gone", "Z") and time.monotonic() < until:
        time.sleep(0.01)
    assert status() in ("gone", "Z")


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
