"""What surrounds a run: encodings, pipes, folders, file systems."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import pwd
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from joulia.case import Settings
from joulia.gate import builds
from joulia.records import store
from joulia.runner import launch
from joulia.simulation.solve import make_case
from joulia.system import locks, places

from .conftest import device
from .test_store import record

JOULIA = (sys.executable, "-m", "joulia")
TINY = ("--size", "tiny", "--window", "0.005", "--repeats", "2", "--no-ceiling")

# ---- terminals and pipes -------------------------------------------------------------------


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """Records with an estimate, measured where no sign beyond ASCII can be printed."""
    path = tmp_path_factory.mktemp("results") / "r.jsonl"
    done = subprocess.run(
        [*JOULIA, "run", "heat", "-b", "numpy", *TINY, "-o", str(path)],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "~ is not measured" in done.stdout.decode("ascii")
    return path


READING = [("show",), ("compare",), ("compare", "--markdown"), ("compare", "--csv")]


@pytest.mark.parametrize(
    ("encoding", "env"),
    [
        ("ascii", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
        ("ascii", {"PYTHONIOENCODING": "ascii"}),
        ("latin-1", {"PYTHONIOENCODING": "latin-1"}),
    ],
    ids=["C locale", "ascii", "latin-1"],
)
@pytest.mark.parametrize("command", READING[:3], ids=" ".join)
def test_an_encoding_without_a_sign_gets_another(command, encoding, env, results):
    done = subprocess.run(
        [*JOULIA, command[0], str(results), *command[1:]],
        env=os.environ | env,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "≈" not in (text := done.stdout.decode(encoding))
    assert "~" in text
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("command", [*READING, ("list",)], ids=" ".join)
def test_a_closed_pipe_ends_a_command_quietly(command, results):
    """`| head -1`, where head is gone already. Exit code 1 would be a regression to `gate`."""
    files = [] if command[0] == "list" else [str(results)]
    child = subprocess.Popen(
        [*JOULIA, command[0], *files, *command[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        child.stdout.close()
        assert child.stderr is not None
        assert child.stderr.read() == b""
    assert child.returncode == 128 + signal.SIGPIPE


@pytest.mark.parametrize(
    ("streams", "code", "told"),
    [
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        ("<&- >&- 2>&-", 0, ""),
        (">/dev/full", 2, "joulia: cannot print: No space left on device; what was measured is "),
        (">/dev/full 2>&1", 2, ""),
    ],
)
def test_streams_that_take_nothing_cost_a_line_and_nothing_measured(streams, code, told, tmp_path):
    """Closed, as daemons close them, or a file on a disk that is full."""
    run = shlex.join([*JOULIA, "run", "heat", "-b", "numpy", *TINY, "-o", "r.jsonl"])
    done = subprocess.run(
        ["sh", "-c", f"{run} {streams}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("[1/1] valid")]
    assert len(lines) == bool(told), done.stderr
    assert "".join(lines).startswith(told)
    (measured,) = store.load(tmp_path / "r.jsonl")
    assert measured.status == "valid"


# ---- folders and file systems --------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ("meter", "-o", "{}.json", "--", "touch", "ran"),
        ("scale", "heat", "-b", "numpy", *TINY[:6], "--plot", "{}.svg", "-o", "ran"),
        ("simulate", "heat", "-o", "{}.png"),
        ("report", "r.jsonl", "-o", "{}.html"),
        ("export", "r.jsonl", "-o", "{}.csv"),
        ("gate", "r.jsonl", "r.jsonl", "--markdown", "{}.md"),
    ],
    ids=lambda command: command[0],
)
def test_a_folder_that_cannot_be_made_is_told_before_anything_runs(command, joulia, tmp_path):
    (tmp_path / "file").touch()
    done = joulia(*(word.format("file/out") for word in command), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert re.search(r"cannot write file/out\.\w+: (File exists|Not a directory)", done.stderr)
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_meter_makes_the_folder_that_it_is_to_write_into(joulia, tmp_path):
    path = tmp_path / "new" / "meter.json"
    assert joulia("meter", "-o", path, "--", "true").returncode == 0
    assert json.loads(path.read_text())["exit_code"] == 0


def test_a_plot_that_is_no_picture_is_told_before_anything_runs(joulia, tmp_path):
    done = joulia("scale", "heat", "--plot", "plot.txt", "-o", "ran", cwd=tmp_path)
    assert done.returncode == 2
    assert "plot.txt is no picture. Allowed: .svg, .pdf, .png" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_figures_of_meter_that_do_not_fit_on_the_disk_are_shown(joulia):
    done = joulia("meter", "-o", "/dev/full", "--", "true")
    assert done.returncode == 2
    assert "cannot write /dev/full: No space left on device" in done.stderr
    assert re.search(r"^\d+\.\d+ s", done.stderr, re.MULTILINE), done.stderr


def test_a_home_that_cannot_be_written_is_one_line_and_costs_nothing_measured(tmp_path):
    """/proc is what no user can write to, as `/` is for one that a container knows by number."""
    path = tmp_path / "r.jsonl"
    homeless = {k: v for k, v in os.environ.items() if k not in {"JOULIA_CACHE_DIR", "HOME"}}
    homeless = {k: v for k, v in homeless.items() if not k.startswith(("XDG_", "NUMBA_"))}
    done = subprocess.run(
        [
            *JOULIA,
            "run",
            "stream",
            "-b",
            "numpy",
            "--dtype",
            "float64,float32",
            *TINY,
            "-o",
            str(path),
        ],
        env=homeless | {"HOME": "/proc"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("cannot write /proc/.cache/joulia: every case compiles anew") == 1
    assert [r.status for r in store.load(path)] == ["valid", "valid"]


def test_without_a_cache_what_is_compiled_goes_to_the_cases_own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("JOULIA_CACHE_DIR", "/proc/joulia")
    with pytest.warns(places.NoCache, match="cannot write /proc/joulia: every case compiles anew"):
        env = launch.environment(make_case("heat"), Settings(), tmp_path)
    assert env["NUMBA_CACHE_DIR"] == str(tmp_path / "numba")
    assert env["JOULIA_COLD_DIR"] == str(tmp_path)


def test_a_user_without_a_home_has_the_root_folder(monkeypatch):
    def unknown(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("JOULIA_CACHE_DIR", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert places.cache_dir() == Path("/.cache/joulia")


FLOCK = """
#include <errno.h>
int flock(int descriptor, int operation) { errno = ENOSYS; return -1; }
"""


@pytest.fixture(scope="module")
def lustre(tmp_path_factory) -> dict[str, str]:
    """An environment in which no file can be locked, as Lustre is mounted by default."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler (Debian: apt install gcc)")
    folder = tmp_path_factory.mktemp("lustre")
    (folder / "flock.c").write_text(FLOCK)
    library = folder / "flock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, folder / "flock.c"], check=True)
    return {"LD_PRELOAD": str(library)}


def test_a_file_system_without_locks_is_one_line_and_costs_nothing(lustre, joulia, tmp_path):
    backend = "numpy" if device("occa:serial").missing else "occa:serial"
    path = tmp_path / "r.jsonl"
    done = joulia("run", "heat", "-b", backend, *TINY, "-o", path, env=lustre)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"joulia: the file system of {tmp_path} has no locks") == 1
    (got,) = store.load(path)
    assert got.status == "valid"


def test_without_locks_of_its_own_a_file_is_guarded_by_another(tmp_path, monkeypatch):
    """The processes of one machine go on taking turns."""
    path = tmp_path / "r.jsonl"
    flock = fcntl.flock

    def on_lustre(descriptor: int, operation: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink() == path:
            raise OSError(errno.ENOSYS, "Function not implemented")
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", on_lustre)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.warns(locks.NoLocks, match="nothing on another machine may write there"):
        file = store.ResultsFile(path)
    held = contextlib.ExitStack()
    with pytest.warns(locks.NoLocks):
        held.enter_context(locks.locked(path))
    (guard,) = tmp_path.glob("joulia-*.lock")
    with guard.open() as other, pytest.raises(BlockingIOError):
        flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    held.close()
    with pytest.warns(locks.NoLocks):
        assert file.append(record("a"))
    assert len(store.load(path)) == 1


def test_a_gate_clears_what_its_own_host_left_and_nothing_of_another(tmp_path, monkeypatch):
    monkeypatch.setenv("JOULIA_CACHE_DIR", str(tmp_path))
    gone = subprocess.Popen(["true"])
    gone.wait()
    with monkeypatch.context() as elsewhere, builds.workshop() as ours:
        elsewhere.setattr("socket.gethostname", lambda: "another")
        dead = ours.parent / re.sub(rf"-{os.getpid()}-", f"-{gone.pid}-", ours.name)
        dead.mkdir()
        with builds.workshop() as theirs:
            assert ours.is_dir()
            assert dead.is_dir()
            assert theirs.name.partition("-")[0] != ours.name.partition("-")[0]
        elsewhere.undo()
        elsewhere.setenv("JOULIA_CACHE_DIR", str(tmp_path))
        with builds.workshop():
            assert not dead.is_dir()
            assert ours.is_dir()
