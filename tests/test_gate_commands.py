"""`joulia gate --base REV -- COMMAND`: any git project, its command's runs, and their verdicts."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import trees
from checkout import git

from joulia.errors import JouliaError
from joulia.gate import checkouts, figures, runs
from joulia.gate.commands import Plan, Runner, duel
from joulia.gate.compare import Command
from joulia.gate.surroundings import Surroundings

from .results import made_energy

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
    assert lines[-1].startswith(f"Regression: {shlex.join(PYTHON)}"[:60])
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


# ---- figures -------------------------------------------------------------------------------


def test_figures_among_other_lines():
    text = '{"name": "a", "value": 2}\nnoise\n{"name": "a"}\n{"x": 1}\n{"name": "a", "value": 1}\n'
    text += '{"name": "b", "value": 2, "unit": "1/s", "better": "higher"}\n{torn\n'
    text += '{"name": "b", "value": 3, "unit": "1/s", "better": "higher"}\n'
    assert figures.printed(text) == {
        "a": figures.Figure(1.0),
        "b": figures.Figure(3.0, "1/s", "higher"),
    }
    assert figures.printed("") == {}


def test_files_that_pytest_benchmark_5_and_pyperf_2_wrote():
    told = figures.written(DATA / "pytest-benchmark.json")
    assert told == {
        "test_b.py::test_sum": figures.Figure(7.691000064369291e-06, "s"),
        "test_b.py::test_sorted": figures.Figure(3.05399953504093e-06, "s"),
    }
    told = figures.written(DATA / "pyperf.json")
    assert told == {
        "sum": figures.Figure(8.39620999613544e-06, "s"),
        "sorted": figures.Figure(9.516989994153846e-06, "s"),
    }


def test_what_asv_kept_of_its_benchmarks(tmp_path):
    """`track_*` in the benchmark's own unit, by asv itself."""
    (tmp_path / "asv.conf.json").write_text(
        '{"version": 1, "environment_type": "virtualenv", "repo": ".", "branches": ["HEAD"], '
        '"benchmark_dir": "bench", "results_dir": "results"}'
    )
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__init__.py").write_text("")
    (tmp_path / "bench" / "size.py").write_text(
        "def track_size(n):\n    return 8.0 * n\n\n\n"
        "track_size.unit = 'B'\ntrack_size.params = [2, 3]\n"
    )
    git = ["git", "-C", str(tmp_path), "-c", "user.name=A", "-c", "user.email=a@b"]
    for told in (["init", "-q"], ["add", "."], ["commit", "-qm", "Sizes"]):
        subprocess.run([*git, *told], check=True)
    asv = [sys.executable, "-m", "asv"]
    for words in (["machine", "--yes"], ["run", "--python=same", "--set-commit-hash", "HEAD"]):
        done = subprocess.run(
            [*asv, *words], cwd=tmp_path, capture_output=True, text=True, check=False,
            env=os.environ | {"HOME": str(tmp_path)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert figures.written(tmp_path / "results") == {
        "size.track_size(2)": figures.Figure(16.0, "B"),
        "size.track_size(3)": figures.Figure(24.0, "B"),
    }
    (tmp_path / "empty").mkdir()
    with pytest.raises(JouliaError, match=r"cannot read .*benchmarks\.json"):
        figures.written(tmp_path / "empty")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no figures"),
        ('{"benchmarks": [{}]}', "as neither pytest-benchmark nor pyperf"),
        ('{"name": "a", "value": NaN}', "the figure a has the value nan"),
        ('{"name": "a", "value": true}', "the figure a has the value True"),
        ('{"name": "", "value": 1}', "a figure's name is ''"),
        ('{"name": "a", "value": 1, "better": "more"}', "better 'more'"),
        ('{"name": "a", "value": 1, "unit": 2}', "the unit 2"),
        ('{"name": "a", "value": 1, "unit": "s"}\n{"name": "a", "value": 1, "unit": "ms"}',
         "comes in two kinds: s, lower is better, and ms"),
    ],
)  # fmt: skip
def test_what_is_no_figure_is_refused_in_words(tmp_path, text, message):
    (tmp_path / "out.json").write_text(text)
    with pytest.raises(JouliaError, match=r"(?s)^[^\n]*$") as refused:
        figures.written(tmp_path / "out.json")
    assert message in str(refused.value)


# ---- verdicts ------------------------------------------------------------------------------

COMMAND = Command(("bench",))
NOISE = [1.0 + 0.001 * (i % 4) for i in range(10)]


def made(side, seconds=1.0, watts=100.0, *, quiet=True, **more):
    """Ten runs with a little noise; `figures` are (value, unit, better) by name."""
    told = {name: figures.Figure(*given) for name, given in more.pop("figures", {}).items()}
    each = []
    for noise in NOISE:
        energy = replace(made_energy([seconds * noise * watts], "counter", None), watts=watts)
        each.append(
            runs.Run(
                side, side[0] * 40, COMMAND.words, "machine", seconds=seconds * noise,
                cpu_s=seconds * noise, memory_bytes=1e7, energy=energy, figures=told, **more,
            )
        )  # fmt: skip
    return each


def judged(base, head):
    verdicts = runs.judge(COMMAND, base, head, runs.Terms(runs.THRESHOLDS), 4)
    return {verdict.metric: verdict for verdict in verdicts}


def test_more_joules_at_the_same_speed_are_more_power():
    told = judged(made("base"), made("head", watts=112.0))
    assert [told[metric].verdict for metric in ("time", "energy")] == ["same", "regression"]
    power = told["energy"].power
    assert power.verdict == "more"
    assert power.change == pytest.approx(0.12)
    assert "more power (+12.0%" in power.sentence
    slower = judged(made("base"), made("head", seconds=1.2, watts=100.0 / 1.2))
    assert [slower[metric].verdict for metric in ("time", "energy")] == ["regression", "same"]
    assert slower["energy"].power.verdict == "less"


class MadeUp:
    """In the place of a Runner: turns that take made-up seconds, in the order of their sides."""

    def __init__(self, seconds, fails_at=None):
        self.seconds = seconds
        self.fails_at = fails_at
        self.order = ""

    def begin(self, seconds, repeats, *, metered):
        self.begun = seconds, repeats, metered
        self.order += " "

    def run(self, checkout):
        self.order += checkout.side[0]
        turn = made(checkout.side, self.seconds[checkout.side])[len(self.order) % len(NOISE)]
        return replace(turn, failure="boom") if len(self.order) == self.fails_at else turn


def turns(runner, pairs=40, seconds=60.0):
    base, head = (
        checkouts.Checkout(side, side[0] * 40, "made up", Path(), {}) for side in ("base", "head")
    )
    terms = runs.Terms(runs.THRESHOLDS, ("time",))
    plan = Plan(COMMAND, terms, pairs, seconds)
    (verdict,), *_ = duel(base, head, plan, runner, lambda what, done, of: None)
    return verdict


def test_turns_alternate_until_all_is_settled_or_paid_for():
    runner = MadeUp({"base": 1.0, "head": 2.0})
    verdict = turns(runner)
    assert (verdict.verdict, verdict.pairs) == ("regression", 10)
    assert runner.order == "hb " + "bhhb" * 5
    assert runner.begun[0] == pytest.approx(1.0, rel=0.01)
    assert runner.begun[1:] == (None, False)  # joules are not judged
    near = {"base": 1.0, "head": 1.0498}
    assert turns(MadeUp(near)).verdict == "inconclusive"
    assert turns(MadeUp(near), pairs=20).pairs == 20
    assert turns(MadeUp({"base": 1.0, "head": 2.0}), seconds=0.0).pairs == 1
    broken = turns(MadeUp({"base": 1.0, "head": 1.0}, fails_at=7))
    assert (broken.verdict, broken.reason) == ("failed", f"base {'b' * 12}: boom")


def test_of_some_figures_more_is_better():
    base, fast = ({"figures": {"rate": (rate, "1/s", "higher")}} for rate in (100.0, 125.0))
    rate = judged(made("base", **base), made("head", **fast))["rate"]
    assert (rate.verdict, rate.base, rate.head) == ("improvement", 100.0, 125.0)
    assert rate.change == pytest.approx(0.25)
    assert judged(made("base", **fast), made("head", **base))["rate"].verdict == "regression"


@pytest.mark.parametrize(
    ("base", "head", "verdict", "reason"),
    [
        ({"n": (0.0,)}, {"n": (0.0,)}, "same", ""),
        ({"n": (0.0,)}, {"n": (2.0,)}, "inconclusive", "not always above 0"),
        ({"n": (1.0,)}, {}, "failed", "head no longer tells it"),
        ({}, {"n": (1.0,)}, "nothing measured", "base does not tell it"),
        ({"n": (1.0, "s")}, {"n": (1.0, "ms")}, "conditions differ", "ms, lower is better"),
    ],
)
def test_figures_that_cannot_be_compared(base, head, verdict, reason):
    told = judged(made("base", figures=base), made("head", figures=head))["n"]
    assert told.verdict == verdict
    assert reason in told.reason
    assert runs.is_open(told) == (verdict == "conditions differ")


def test_a_verdict_over_differing_conditions_is_refused_in_words(tmp_path):
    quiet = trees.proc_stat(trees.laptop_conditions(tmp_path / "a"), (0.0, 10.0, 0.0))
    around = Surroundings(quiet, [0])
    before = around.look()
    trees.proc_stat(quiet, (0.5, 10.5, 0.0))
    after = around.look()
    powersave = around.conditions(before, after, 1.0, 0.5)
    disturbed = around.conditions(before, after, 1.0, 0.1)
    unknown = around.conditions(before, after, 0.2, 0.1)  # too short to tell
    assert [len(each.disturbed) for each in (powersave, disturbed, unknown)] == [0, 1, 0]
    assert "other programs used 40 % of the cores" in disturbed.note
    performance = replace(powersave, governor="performance")
    told = judged(made("base", conditions=powersave), made("head", conditions=performance))
    assert {verdict.verdict for verdict in told.values()} == {"conditions differ"}
    assert told["time"].reason == "conditions differ: governor powersave | performance"
    told = judged(made("base", conditions=powersave), made("head", conditions=disturbed))
    assert told["time"].reason == "conditions differ: disturbed processes 0 % | 100 %"
    told = judged(made("base", conditions=unknown), made("head", conditions=disturbed))
    assert told["time"].verdict == "same"


def test_joules_of_other_parts_of_the_machine_are_not_compared():
    head = [
        replace(run, energy=replace(run.energy, counted=("node:node",))) for run in made("head")
    ]
    assert judged(made("base"), head)["energy"].verdict == "nothing measured"


def test_kept_runs_of_another_machine_or_command_are_refused(joulia, tmp_path):
    def write(name, each):
        lines = [json.dumps(run.to_json()) + "\n" for run in each]
        (tmp_path / name).write_text("".join(lines))
        return tmp_path / name

    base = write("base.jsonl", made("base"))
    assert runs.load(base) == made("base")
    for change, message in (
        ({"machine": "other"}, "of different machines: machine, other"),
        ({"command": ("other",)}, "of different commands: bench, other"),
    ):
        head = write("head.jsonl", [replace(run, **change) for run in made("head")])
        done = joulia("gate", base, head)
        assert done.returncode == 2
        assert message in done.stderr
    (tmp_path / "torn.jsonl").write_text(base.read_text()[:-30])
    done = joulia("gate", base, tmp_path / "torn.jsonl")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
