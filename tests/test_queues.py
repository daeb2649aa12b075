"""Queues that are not here, by stand-ins and words of their documentation; and what all are asked.

What LSF and PBS are quoted with is from IBM Spectrum LSF 10.1's command reference and from the man
pages of PBS Professional in OpenPBS; tests/support/fake_queues.py names the pages.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fake_queues
import pytest

from joulia.errors import JouliaError, Unavailable
from joulia.sites import site
from joulia.submit import queue, schedulers
from joulia.submit.jobs import Submission, words
from joulia.submit.queue import ENDED, RUNNING, WAITING, Status, Wish
from joulia.submit.schedulers import LSF, PBS, Slurm


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """That of a user of a queue which is a stand-in."""
    fake_queues.install(tmp_path / "bin")
    (tmp_path / "queue").mkdir()
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "QUEUE": str(tmp_path / "queue")}


@pytest.mark.parametrize(
    ("name", "task", "told"),
    [
        ("lsf", "2", "EXIT (TERM_RUNLIMIT: job killed after reaching LSF run time limit)"),
        ("pbs", "1", "over its walltime"),
    ],
)
def test_an_array_goes_through_a_queue_and_what_its_limit_cut_off_is_sent_again(
    name: str, task: str, told: str, environment: dict[str, str], joulia, tmp_path: Path
) -> None:
    limit = tmp_path / "queue" / task
    limit.write_text(str(tmp_path / "r.jobs"))
    done = joulia(
        "submit", "heat", "-b", "numpy", "--size", "tiny", "--dtype", "float64,float32", "--array",
        "--site", name, "--no-ceiling", "--repeats", "2", "--threads", "1", "--window", "0.005",
        "--output", "r.jsonl", env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"no {name.upper()} has run it yet" in done.stderr
    assert "job 17" in done.stderr
    assert "sent again" in done.stderr
    got = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    shown = [(each["case"]["dtype"], each["status"]) for each in got]
    assert sorted(shown) == [("float32", "failed"), ("float32", "valid"), ("float64", "valid")]
    (failed,) = (each for each in got if each["status"] == "failed")
    assert told in failed["reasons"][0]
    assert len(list((tmp_path / "queue").glob("*.job"))) == 2
    assert (
        len(list(tmp_path.glob("r.jobs/*/*.log"))) + len(list(tmp_path.glob("r.jobs/*/*.OU"))) == 4
    )


@pytest.mark.parametrize(
    ("name", "directive", "said"),
    [
        ("lsf", "-q nowhere", "joulia: bsub: nowhere: No such queue. Job not submitted."),
        ("lsf", "-Z", "joulia: bsub: -Z: Illegal option. Job not submitted."),
        ("pbs", "-Z 1", "joulia: qsub: invalid option -- 'Z'"),
        ("pbs", "a\nb", "joulia: --directive 'a\\nb' is not allowed. Allowed: one line, as in "
         "--account=me"),
    ],
)  # fmt: skip
def test_a_queue_that_refuses_is_quoted_in_one_line(
    name: str, directive: str, said: str, environment: dict[str, str], joulia, tmp_path: Path
) -> None:
    given = ("submit", "heat", "-b", "numpy", "--size", "tiny", "--site", name, "--array")
    given += ("--dtype", "float64,float32", f"--directive={directive}", "--output", "r.jsonl")
    done = joulia(*given, env=environment, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == said
    assert not list((tmp_path / "queue").glob("*.job"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sbatch: unrecognized option '--acount=me'\n"
         'Try "sbatch --help" for more information\n', "unrecognized option '--acount=me'"),
        ("sbatch: error: Memory specification can not be satisfied\nsbatch: error: Batch job "
         "submission failed: Requested node configuration is not available\n",
         "Memory specification can not be satisfied; Batch job submission failed: Requested node "
         "configuration is not available"),
    ],
)  # fmt: skip
def test_the_words_of_a_command_that_refuses(text: str, said: str) -> None:
    """As Slurm 22.05 prints them."""
    assert queue.in_a_line("sbatch", text) == said


def test_an_array_of_pbs_may_be_run_again_and_says_how_many_at_once(tmp_path: Path) -> None:
    """qsub(1B): "Job arrays are always rerunnable"; qsub refuses -r n for one. The number that run
    at once came with version 20, and is left out where it says nothing."""
    few, all_at_once, alone = (
        {text for text, _ in PBS().directives(Wish("j", tmp_path, 1, 1, 1, 2, 60, True, n, most))}
        for n, most in ((30, 10), (4, 10), (1, 10))
    )
    assert "-J 0-29%10" in few
    assert "-J 0-3" in all_at_once
    assert not {"-r n"} & (few | all_at_once)
    assert "-r n" in alone
    assert not any(text.startswith("-J") for text in alone)


def answers(monkeypatch: pytest.MonkeyPatch, told: dict[str, str | Unavailable]) -> None:
    """Commands answer as in `told`, by their words."""

    def ask(command: Sequence[str], script: Path | None = None) -> str:
        answer = told[" ".join(command)]
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    monkeypatch.setattr(schedulers, "ask", ask)


def test_a_job_of_a_pbs_server_without_history_is_asked_for_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """job_history_enable is false by default: `qstat -x` then says so on stderr, of a running job
    too, and ends with 0 (OpenPBS, qstat.c, PBSE_JOBHISTNOTSET)."""
    running = "Job Id: 17.server\n    job_state = R\n    exec_host = node01/0*2+\n\tnode02/0*2\n"
    answers(monkeypatch, {"qstat -x -t -f 17": "", "qstat -t -f 17": running})
    assert PBS().status("17") == [Status(RUNNING, "R", "node01/0*2+node02/0*2")]
    gone = Unavailable("qstat: Unknown Job Id 17.server")
    answers(monkeypatch, {"qstat -x -t -f 17": "", "qstat -t -f 17": gone})
    assert PBS().status("17") == []


def test_what_slurm_has_forgotten_and_nobody_accounts_for(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Unavailable("scontrol: slurm_load_jobs error: Invalid job id specified")
    sacct = "sacct -nPX --format=JobID,State --jobs=17"
    off = Unavailable("sacct: Slurm accounting storage is disabled")
    answers(monkeypatch, {"scontrol --oneliner show job 17": gone, sacct: off})
    assert Slurm().status("17") == []
    kept = "17_0|COMPLETED\n17_1|CANCELLED by 1000\n17_2|FAILED\n"
    answers(monkeypatch, {"scontrol --oneliner show job 17": gone, sacct: kept})
    statuses = Slurm().status("17")
    assert [(each.state, each.well) for each in statuses] == [
        ("COMPLETED", True), ("CANCELLED", False), ("FAILED", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("scheduler", "command", "told", "advice"),
    [
        (Slurm(), "scontrol --oneliner show job 17", "JobId=17 JobState=PENDING Reason={}", {
            "JobHeldUser": "`scontrol release 17` lets it start",
            "PartitionConfig": "`scancel 17`, and ask for less",
            "QOSMaxWallDurationPerJobLimit": "`scancel 17`, and ask for less",
            "InvalidAccount": "`scancel 17`, and ask for less",
            "Resources": "", "Priority": "", "QOSMaxJobsPerUserLimit": "",
        }),
        (LSF(), f"bjobs -a -noheader -o {fake_queues.FIELDS} 17", "17|0|{}|-|-", {
            "PSUSP": "`bresume 17` lets it start", "PEND": "", "USUSP": "",
        }),
        (PBS(), "qstat -x -t -f 17", "Job Id: 17.server\n    job_state = {}\n", {
            "H": "`qrls 17.server` lets it start", "Q": "",
        }),
    ],
)  # fmt: skip
def test_a_job_that_will_not_start_however_long_it_waits_is_told_with_the_remedy(
    scheduler: Any,
    command: str,
    told: str,
    advice: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for word, remedy in advice.items():
        answers(monkeypatch, {command: told.format(word)})
        (status,) = scheduler.status("17")
        assert status.phase == (RUNNING if word == "USUSP" else WAITING)
        assert remedy in status.advice
        assert bool(remedy) == bool(status.advice)


def test_a_lost_host_of_lsf_and_the_ends_of_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """ZOMBI is a job whose host is unreachable, in time removed (LSF terms and concepts)."""
    for line, again, well in (
        ("17|0|ZOMBI|host01|-", True, False),
        ("17|0|EXIT|host01|TERM_REMOVE_HUNG_JOB: job removed from LSF", True, False),
        ("17|0|EXIT|host01|TERM_OWNER: job killed by owner", False, False),
        ("17|0|EXIT|host01|-", False, False),
        ("17|0|DONE|host01|-", False, True),
    ):
        answers(monkeypatch, {f"bjobs -a -noheader -o {fake_queues.FIELDS} 17": line})
        (status,) = LSF().status("17")
        assert (status.phase, status.again, status.well) == (ENDED, again, well)


# ---- what schedulers say -------------------------------------------------------------------

LINE = (
    "JobId=17 ArrayJobId=16 ArrayTaskId=3 JobName=joulia JobState={state} Reason={reason} "
    "ExitCode=0:0 NodeList={nodes} OverSubscribe=NO"
)


@pytest.mark.parametrize(
    ("state", "reason", "nodes", "phase", "again"),
    [
        ("PENDING", "Resources", "", WAITING, False),
        ("RUNNING", "None", "n[1-2]", RUNNING, False),
        ("COMPLETING", "None", "n1", RUNNING, False),
        ("COMPLETED", "None", "n1", ENDED, False),
        ("TIMEOUT", "TimeLimit", "n1", ENDED, True),
        ("NODE_FAIL", "NodeDown", "n1", ENDED, True),
        ("OUT_OF_MEMORY", "OutOfMemory", "n1", ENDED, False),
    ],
)
def test_what_slurm_says_of_a_job(
    state: str, reason: str, nodes: str, phase: str, again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = LINE.format(state=state, reason=reason, nodes=nodes)
    monkeypatch.setattr(schedulers, "ask", lambda command, script=None: told + "\n")
    (status,) = Slurm().status("16")
    assert (status.phase, status.state, status.again) == (phase, state, again)
    assert (status.task, status.exclusive) == (3, True)
    assert status.detail == (reason if phase == WAITING else nodes)


BJOBS = """17|1|RUN|2*host01:2*host02|-
17|2|PEND|-|-
17|3|EXIT|host01|TERM_RUNLIMIT: job killed after reaching LSF run time limit
17|4|DONE|host02|-
"""
"""As IBM's reference of `bjobs -o` lists its fields, with a delimiter."""


def test_what_lsf_is_asked_and_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wish = Wish("joulia", tmp_path, 2, 4, 5, 40, 5400, True, 4, 10)
    asked = [text for text, _ in LSF().directives(wish)]
    assert asked[:4] == ['-J "joulia[1-4]%10"', "-n 80", '-R "span[ptile=40]"', "-W 90"]
    assert asked[-1] == "-x"
    said = "Job <17> is submitted to queue <normal>.\n"
    monkeypatch.setattr(schedulers, "ask", lambda command, script=None: said)
    assert LSF().submit(tmp_path / "job.sh") == "17"
    monkeypatch.setattr(schedulers, "ask", lambda command, script=None: BJOBS)
    statuses = LSF().status("17")
    assert [status.phase for status in statuses] == [RUNNING, WAITING, ENDED, ENDED]
    assert [status.task for status in statuses] == [0, 1, 2, 3]
    assert [status.again for status in statuses] == [False, False, True, False]


QSTAT = """Job Id: 17.server
    Job_Name = joulia
    job_state = {state}
    exec_host = node01/0*40+node02/0*40
    comment = Not Running: Insufficient amount of resource: ncpus
    Exit_status = {code}
"""


def test_what_pbs_is_asked_and_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wish = Wish("joulia", tmp_path, 2, 4, 5, None, 5400, True, 1, 10)
    asked = [text for text, _ in PBS().directives(wish)]
    assert "-l select=2:ncpus=10:mpiprocs=2" in asked
    assert "-l place=scatter:excl" in asked
    assert "-l walltime=1:30:00" in asked
    for state, code, phase, again in (
        ("Q", "", WAITING, False),
        ("R", "", RUNNING, False),
        ("F", "0", ENDED, False),
        ("F", "-29", ENDED, True),
        ("F", "271", ENDED, False),
    ):
        told = QSTAT.format(state=state, code=code)
        monkeypatch.setattr(schedulers, "ask", lambda command, script=None, told=told: told)
        (status,) = PBS().status("17.server")
        assert (status.phase, status.again) == (phase, again)


def test_an_absent_scheduler_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Unavailable, match="no sbatch found; submit where"):
        Slurm().submit(Path("job.sh"))


def test_the_states_of_an_array_in_a_line() -> None:
    statuses = [
        Status(RUNNING, "RUNNING", "n1", 0),
        Status(RUNNING, "RUNNING", "n1", 1),
        Status(WAITING, "PENDING", "Resources"),
    ]
    assert words(statuses) == "2 x running on n1, pending (Resources)"


# ---- what is kept of a job -------------------------------------------------------------------


@pytest.fixture
def submission(tmp_path: Path) -> Submission:
    return Submission(
        site.load("slurm"), [["run", "heat"]], tmp_path / "r.jsonl", 1, 1, 1, 60, exclusive=True
    )


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sent": 1}'])
def test_a_file_that_names_no_job_is_one_line(text: str, submission: Submission) -> None:
    submission.folder.mkdir(parents=True)
    (submission.folder / "job.json").write_text(text)
    with pytest.raises(JouliaError, match=r"job\.json names no job\. Allowed: ") as caught:
        submission.send()
    assert "\n" not in str(caught.value)


def test_a_job_that_waits_with_other_directives_is_told(
    submission: Submission, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user who asked for too many nodes, and asks again."""
    said: list[str] = []
    submission.say = said.append
    monkeypatch.setattr(Slurm, "submit", lambda self, script: "17")
    monkeypatch.setattr(Slurm, "status", lambda self, job: [Status(WAITING, "PENDING")])
    assert submission.send() == submission.send() == "17"
    assert said[-1] == "job 17 is in the queue already"
    submission.nodes = 2
    assert submission.send() == "17"
    assert said[-1].endswith(", with other directives than these: `scancel 17` to send these")
