"""`joulia gate --base REV -- COMMAND`: any git project, and its command's runs."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trees
from checkout import git

from joulia.gate import checkouts, runs
from joulia.gate.commands import Runner
from joulia.gate.compare import Command

DATA = Path(__file__).parent / "data"
PYTHON = [sys.executable, "-I", "-S"]
WORK = """\
import json
from pathlib import Path
total = sum(i * i for i in range({loops}))
print("some progress", Path("built").read_text().strip())
print(json.dumps({{"name": "loops", "value": {loops}, "unit": "loops"}}))
print(json.dumps({{"name": "rate", "value": 1e9 / {loops}, "unit": "1/s", "better": "higher"}}))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project that is not joulia: `fast`, `slow` with three times the work, `empty` after it."""
    folder = tmp_path_factory.mktemp("project")
    git(folder, "init", "-q", "-b", "main")
    for tag, loops in (("fast", 300_000), ("slow", 900_000)):
        (folder / "work.py").write_text(WORK.format(loops=loops))
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", f"Work of {loops}")
        git(folder, "tag", tag)
    git(folder, "commit", "-q", "--allow-empty", "-m", "Nothing")
    git(folder, "tag", "empty")
    return folder


@pytest.fixture
def env(tmp_path):
    """A node with a meter, caches of its own, and a hook's variables, which name another place."""
    fake = {"id": "node", "watts": {"package-0": 50.0}}
    root = trees.put(tmp_path / "root", {"run/joulia/fake-meter.json": json.dumps(fake)})
    return {
        "JOULIA_ROOT": str(root),
        "JOULIA_CACHE_DIR": str(tmp_path / "cache"),
        "GIT_DIR": str(tmp_path / "elsewhere"),
        "COLUMNS": "200",
    }


def left_behind(env):
    return list((Path(env["JOULIA_CACHE_DIR"]) / "gate").glob("*"))


BUILD = 'test -z "$GIT_DIR" && git describe --tags > built'


def test_the_slower_commit_is_named_and_hungrier_at_the_same_power(joulia, project, env, tmp_path):
    done = joulia(
        "gate", "--base", "fast", "--head", "slow", "--build", BUILD, "--pairs", "6",
        "--repeats", "1", "--markdown", tmp_path / "gate.md", "--save", tmp_path / "kept",
        "--", *PYTHON, "work.py", cwd=project, env=env,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr + done.stdout
    lines = done.stdout.splitlines()
    assert lines[1] == f"head: {git(project, 'rev-parse', 'slow')[:12]} Work of 900000"
    # Its last words are folded at the terminal's width: where depends on Python's own path.
    told = " ".join(done.stdout.split()).rpartition("Regression: ")[2]
    assert told.startswith(f"{shlex.join(PYTHON)} work.py: ")
    text = (tmp_path / "gate.md").read_text()
    assert "| loops | 300000 loops | 900000 loops | +200.0% | +200.0% to +200.0% | 6 |" in text
    assert "| rate | 3333 1/s | 1111 1/s | -66.7% |" in text
    assert "the same power (" in text
    assert left_behind(env) == []
    # The files that were kept give the same verdicts.
    kept = [tmp_path / "kept" / f"{side}.jsonl" for side in ("base", "head")]
    again = joulia("gate", *kept, "--json")
    assert again.returncode == 1
    assert "not measured in turn" in again.stderr
    told = {v["metric"]: v for v in json.loads(again.stdout)["verdicts"]}
    assert told["cpu"]["verdict"] == "regression"
    assert told["energy"]["source"] == "fake"
    assert told["energy"]["power"]["base"] == pytest.approx(50.0, rel=0.1)
    assert 4e6 < told["memory"]["base"] < 60e6


def test_an_empty_commit_is_the_same(joulia, project, env):
    """Judged by what other programs on the machine hardly disturb, in wide thresholds."""
    chosen = [word for name in ("cpu", "memory", "figures") for word in ("--metric", name)]
    done = joulia(
        "gate", "--base", "slow", "--build", BUILD, "--pairs", "6", "--repeats", "1", *chosen,
        "--threshold", "cpu=90%,memory=90%,loops=0.1%", "--json", "--", *PYTHON, "work.py",
        cwd=project, env=env,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads(done.stdout)
    assert {v["metric"]: v["verdict"] for v in report["verdicts"]} == dict.fromkeys(
        ("cpu", "memory", "loops", "rate"), "same"
    )
    assert report["head_subject"] == "Nothing"
    assert report["summary"] == "No regression: 4 same"


FAILING = "grep -q 300000 work.py || { echo sorry >&2; exit 7; }"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--", "sh", "-c", FAILING], "head {slow}: exit code 7: sorry"),
        (
            ["--", "sh", "-c", "echo no; kill -9 $$"],
            "base {fast}: ended by SIGKILL: no; head {slow}",
        ),
        (
            ["--timeout", "0.4", "--", "sleep", "5"],
            "head {slow}: it took longer than 0.4 s (--timeout)",
        ),
    ],
)
def test_a_command_that_fails_is_one_line_and_exit_code_4(joulia, project, env, arguments, message):
    done = joulia("gate", "--base", "fast", "--head", "slow", *arguments, cwd=project, env=env)
    assert done.returncode == 4, done.stderr + done.stdout
    commits = {tag: git(project, "rev-parse", tag)[:12] for tag in ("fast", "slow")}
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("Failed: ")]
    assert message.format(**commits) in line
    assert left_behind(env) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--base", "fast", "--"], "no command"),
        (["--", "true"], "nothing to compare with"),
        (["--base", "nonesuch", "--", "true"], "unknown revision 'nonesuch'"),
        (["--base", "fast", "--", "./none.sh"], "cannot run ./none.sh: No such file"),
        (["--base", "fast", "--build", "echo boom; exit 3", "--", "true"],
         "does not build: exit code 3: boom"),
        (["--base", "fast", "heat", "--", "true"], "heat goes with kernels of joulia"),
        (["--base", "fast", "--size", "tiny", "--", "true"], "--size goes with kernels"),
        (["--base", "fast", "--build", "make"], "--build goes with a COMMAND"),
        (["--base", "fast", "heat"], "is no checkout of joulia"),
        (["--base", "fast", "--threshold", "tim=3%", "--", "true"], "--threshold tim: no such"),
        (["--base", "fast", "--metric", "loop", "--", "true"], "--metric loop: no such figure"),
        (["--base", "fast", "--threshold", "time=0%", "--", "true"], "--threshold time=0%"),
        (["--base", "fast", "--repeats", "0", "--", "true"], "--repeats 0 is not allowed"),
        (["--base", "fast", "--figures", "../out", "--", "true"], "--figures ../out"),
        (["--base", "fast", "--figures", ".", "--", "true"], "--figures . is not allowed"),
        (["--base", "fast", "--figures", "work.py/out", "--", "true"], "cannot read the figures"),
        (["--base", "fast", "--figures", "out", "--", "true"], "cannot read the figures in out"),
        (["--base", "fast", "--", "echo", '{"name": "time", "value": 1}'],
         "a figure is called time"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_2(joulia, project, env, arguments, message):
    done = joulia("gate", *arguments, cwd=project, env=env)
    assert done.returncode == 2, done.stdout
    assert done.stderr.count("\n") == 1, done.stderr
    assert message in done.stderr
    assert left_behind(env) == []


def test_a_dirty_tree_is_refused_and_a_folder_without_git_too(joulia, project, env, tmp_path):
    (project / "work.py").write_text("changed\n")
    try:
        done = joulia("gate", "--base", "fast", "--", "true", cwd=project, env=env)
    finally:
        git(project, "checkout", "-q", "work.py")
    assert done.returncode == 2
    assert "the tree is dirty (work.py)" in done.stderr
    done = joulia("gate", "--base", "fast", "--", "true", cwd=tmp_path, env=env)
    assert done.returncode == 2
    assert "is in no git repository. Allowed: a folder of the project to judge" in done.stderr


@pytest.mark.parametrize("where", ["build", "command"])
def test_an_interrupt_ends_what_runs_and_leaves_nothing_behind(project, env, tmp_path, where):
    script = f"sleep 60 & echo $! > {tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid; wait"
    what = ["--build", script, "--", "true"] if where == "build" else ["--", "sh", "-c", script]
    child = subprocess.Popen(
        [sys.executable, "-m", "joulia", "gate", "--base", "fast", *what],
        cwd=project, env=os.environ | env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    end = time.monotonic() + 60
    while not (tmp_path / "pid").exists() and time.monotonic() < end:
        time.sleep(0.05)
    sleeper = int((tmp_path / "pid").read_text())
    child.send_signal(signal.SIGTERM)
    _, stderr = child.communicate(timeout=30)
    assert child.returncode == 130, stderr
    assert "interrupted" in stderr
    assert left_behind(env) == []
    assert gone(sleeper)


def gone(pid: int) -> bool:
    """Whether a process has ended, soon: what a signal ends takes a moment."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":  # nobody has asked for how it ended
            return True
        time.sleep(0.02)
    return False


# ---- one run -------------------------------------------------------------------------------


def one_run(folder: Path, script: str, timeout_s: float = 60.0) -> runs.Run:
    """A run of a Python script in a folder that stands for a checkout."""
    checkout = checkouts.Checkout("head", "c" * 40, "made up", folder, dict(os.environ))
    with Runner(folder, Command((*PYTHON, "-c", script)), timeout_s) as runner:
        return runner.run(checkout)


def test_memory_and_time_are_those_of_all_processes_that_a_command_waits_for(tmp_path):
    inner = "x = bytearray(90_000_000)\nfor i in range(1_500_000): pass"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    run = one_run(tmp_path, outer)
    assert run.failure is None
    assert run.memory_bytes is not None
    assert 90e6 < run.memory_bytes < 200e6
    assert run.cpu_s is not None
    assert run.cpu_s > 0.01  # the inner loop; to start Python takes as much
    small = one_run(tmp_path, "pass")
    assert small.memory_bytes is not None
    assert small.memory_bytes < 30e6  # nothing of this process, which holds NumPy


def test_a_turn_is_as_many_runs_as_take_a_second_and_its_best(tmp_path):
    checkout = checkouts.Checkout("head", "c" * 40, "made up", tmp_path, dict(os.environ))
    script = (
        "from pathlib import Path; log = Path('log'); log.open('a').write('.')\n"
        'n = len(log.read_text()); print(\'{"name": "n", "value": %d}\' % n)\n'
        "assert n < 5, 'enough'"
    )
    with Runner(tmp_path, Command((*PYTHON, "-c", script)), 60.0) as runner:
        counts = []
        for seconds, repeats in ((0.01, None), (0.4, None), (5.0, None), (5.0, 3)):
            runner.begin(seconds, repeats, metered=False)
            counts.append(runner.repeats)
        assert counts == [20, 2, 1, 3]
        run = runner.run(checkout)
        assert (run.repeats, run.figures["n"].value) == (3, 1.0)
        failed = runner.run(checkout)
    assert failed.failure == "exit code 1: AssertionError: enough"
    assert (tmp_path / "log").read_text() == "....."  # the turn ended there


def test_what_a_command_leaves_running_ends_with_it(tmp_path):
    script = (
        "import subprocess; child = subprocess.Popen(['sleep', '60']);"
        "open('pid', 'w').write(str(child.pid))"
    )
    run = one_run(tmp_path, script)
    assert run.seconds is not None
    assert run.seconds < 30.0
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_shallow_clone_is_checked_out_with_its_tags(project, tmp_path):
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "2", f"file://{project}", str(shallow))
    git(shallow, "fetch", "-q", "--depth", "1", "origin", "tag", "empty")
    commit = git(shallow, "rev-parse", "HEAD")
    checkout = checkouts.check_out(shallow, "head", commit, tmp_path / "out")
    assert (checkout.folder / "work.py").is_file()
    assert git(checkout.folder, "describe", "--tags") == "empty"
    assert git(checkout.folder, "status", "--porcelain") == ""
    assert git(checkout.folder, "remote", "get-url", "origin") == f"file://{project}"
    assert checkout.subject == "Nothing"
