"""What schedulers are asked and answer: Slurm, LSF and PBS through their own commands.

Their commands are on every node from which one may submit, in the version that the site runs; a
library would have to be installed and kept for them (docs/sites.md). LSF and PBS are written from
their public documentation and have met no real queue: `Scheduler.unproven` says so.
"""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from joulia.errors import Unavailable

PATIENCE_S = 120.0
"""Seconds that a scheduler's command may take to answer."""
WAITING, RUNNING, ENDED = "waiting", "running", "ended"


@dataclass(frozen=True)
class Wish:
    """What a job asks of its queue."""

    name: str
    folder: Path
    """For its logs."""
    nodes: int
    ranks: int
    """The most of any case."""
    threads: int
    """The most of any case."""
    cores: int | None
    """Physical ones of a node, where the site's file says it."""
    time_s: int
    exclusive: bool
    tasks: int
    """Of an array; 1 is no array."""
    at_once: int
    """Tasks of an array that may run at the same time."""


@dataclass(frozen=True)
class Status:
    """A job, or a task of an array, as its scheduler tells."""

    phase: str
    """WAITING, RUNNING or ENDED."""
    state: str
    """In the scheduler's own words."""
    detail: str = ""
    """The nodes, or why it waits."""
    task: int | None = None
    """Of an array; None stands for all that are not told apart yet."""
    again: bool = False
    """Ended for a reason that the next try need not meet: its time limit, its node, preempted."""
    exclusive: bool | None = None
    """Whether it has its nodes for itself, where the scheduler tells."""

    @property
    def well(self) -> bool:
        """Whether it came to its own end, whatever its cases did."""
        return self.phase == ENDED and not self.again and self.state in ENDED_ITSELF


ENDED_ITSELF = ("COMPLETED", "FAILED", "DONE", "EXIT", "F")


class Scheduler(Protocol):
    """A queue. Every call raises Unavailable, with its words, where the scheduler refuses."""

    name: str
    prefix: str
    """Before a directive in a job's script."""
    index: str
    """How a script names its task of an array, from 0, in the shell's words."""
    unproven: str | None
    """Why it is not known to work, None where it is."""

    def directives(self, wish: Wish) -> list[tuple[str, str]]:
        """What the script asks for, and why."""

    def submit(self, script: Path) -> str:
        """The job's id."""

    def status(self, job: str) -> list[Status]:
        """Of the job, or of each task of an array; empty where the scheduler has forgotten it."""

    def cancel(self, job: str) -> str:
        """The command line that takes a job out of the queue."""


def ask(command: Sequence[str], script: Path | None = None) -> str:
    """What a command of a scheduler prints. Unavailable with its words where it refuses."""
    if shutil.which(command[0]) is None:
        raise Unavailable(f"no {command[0]} found", "submit where the scheduler's commands are")
    try:
        done = subprocess.run(
            list(command),
            input=script.read_text() if script else None,
            stdin=None if script else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{command[0]} does not answer for {PATIENCE_S:g} s") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise Unavailable(f"{command[0]}: {lines[-1] if lines else f'exit code {done.returncode}'}")
    return done.stdout


def clock(seconds: int) -> str:
    """H:MM:SS."""
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


EXCLUSIVE = "the nodes alone: others would disturb the times, and a node's meter would count them"
ALONE = "joulia sends it again itself, and records why it ended"


class Slurm:
    """sbatch, scontrol; sacct for what scontrol has forgotten."""

    name = "slurm"
    prefix = "#SBATCH"
    index = "${SLURM_ARRAY_TASK_ID}"
    unproven: str | None = None

    RUNS = ("RUNNING", "COMPLETING", "STOPPED", "SUSPENDED", "STAGE_OUT", "SIGNALING")
    WAITS = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESIZING")
    AGAIN = ("TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL")

    def directives(self, wish: Wish) -> list[tuple[str, str]]:
        log = wish.folder / ("%A-%a.log" if wish.tasks > 1 else "%j.log")
        lines = [
            (f"--job-name={wish.name}", "its name in the queue"),
            (f"--nodes={wish.nodes}", "all that any of its cases takes"),
            (f"--time={clock(wish.time_s)}", "what it does not reach is sent again, and resumed"),
            (f"--output={log}", "what is printed: progress, and the table"),
            ("--no-requeue", ALONE),
        ]
        if wish.exclusive:
            lines.append(("--exclusive", EXCLUSIVE))
        else:
            why = f"cores for {wish.ranks} ranks of {wish.threads} threads on nodes with others"
            lines.append((f"--ntasks={wish.ranks} --cpus-per-task={wish.threads}", why))
        if wish.tasks > 1:
            tasks = f"--array=0-{wish.tasks - 1}%{wish.at_once}"
            lines.append((tasks, "cases that do not wait for each other, and how many run at once"))
        return lines

    def submit(self, script: Path) -> str:
        return ask(["sbatch", "--parsable", str(script)]).strip().partition(";")[0]

    def status(self, job: str) -> list[Status]:
        try:
            told = ask(["scontrol", "--oneliner", "show", "job", job])
        except Unavailable as error:
            if "Invalid job id" not in str(error):
                raise
            return self._accounted(job)
        return [self._of_line(line) for line in told.splitlines() if "JobState=" in line]

    def _of_line(self, line: str) -> Status:
        said = dict(re.findall(r"(\w+)=(\S*)", line))
        state = said["JobState"]
        task = said.get("ArrayTaskId", "")
        phase = self._phase(state)
        detail = said.get("NodeList", "") if phase != WAITING else said.get("Reason", "")
        return Status(
            phase,
            state,
            "" if detail in ("None", "(null)") else detail,
            int(task) if task.isdigit() else None,
            again=state in self.AGAIN,
            exclusive=said["OverSubscribe"] == "NO" if "OverSubscribe" in said else None,
        )

    def _phase(self, state: str) -> str:
        return RUNNING if state in self.RUNS else WAITING if state in self.WAITS else ENDED

    def _accounted(self, job: str) -> list[Status]:
        """What the accounting knows of a job that the controller has forgotten; nothing without."""
        try:
            told = ask(["sacct", "-nPX", "--format=JobID,State", f"--jobs={job}"])
        except Unavailable:
            return []
        found = []
        for line in told.splitlines():
            name, _, state = line.partition("|")
            word = state.split()[0]  # "CANCELLED by 1000"
            task = name.partition("_")[2]
            number = int(task) if task.isdigit() else None
            found.append(Status(self._phase(word), word, task=number, again=word in self.AGAIN))
        return found

    def cancel(self, job: str) -> str:
        return f"scancel {job}"


class LSF:
    """bsub, bjobs. A job's limit is in minutes, tasks of an array begin at 1."""

    name = "lsf"
    prefix = "#BSUB"
    index = "$((LSB_JOBINDEX - 1))"
    unproven: str | None = "written from IBM's documentation of LSF 10.1; no LSF has run it yet"

    def directives(self, wish: Wish) -> list[tuple[str, str]]:
        each = wish.cores if wish.exclusive and wish.cores else share(wish)
        array = f"[1-{wish.tasks}]%{wish.at_once}" if wish.tasks > 1 else ""
        log = wish.folder / ("%J-%I.log" if wish.tasks > 1 else "%J.log")
        lines = [
            (f'-J "{wish.name}{array}"', "its name in the queue, and the tasks of an array"),
            (f"-n {wish.nodes * each}", f"slots: {each} on each of {wish.nodes} nodes"),
            (f'-R "span[ptile={each}]"', "so many slots a node"),
            (f"-W {math.ceil(wish.time_s / 60)}", "minutes; what it does not reach is sent again"),
            (f"-o {log}", "what is printed: progress, and the table"),
            ("-rn", ALONE),
        ]
        return [*lines, ("-x", EXCLUSIVE)] if wish.exclusive else lines

    def submit(self, script: Path) -> str:
        said = ask(["bsub"], script)  # bsub reads its directives from what it is fed
        found = re.search(r"Job <(\d+)> is submitted", said)
        if not found:
            raise Unavailable(f"bsub tells no job's number but {said.strip()!r}")
        return found[1]

    def status(self, job: str) -> list[Status]:
        fields = "jobid jobindex stat exec_host exit_reason delimiter='|'"
        try:
            told = ask(["bjobs", "-a", "-noheader", "-o", fields, job])
        except Unavailable as error:
            if "is not found" not in str(error):
                raise
            return []
        found = []
        for line in told.splitlines():
            _, index, state, hosts, reason = (line.split("|", 4) + [""] * 4)[:5]
            phase = {"PEND": WAITING, "WAIT": WAITING, "PSUSP": WAITING}.get(state, RUNNING)
            phase = ENDED if state in ("DONE", "EXIT", "ZOMBI") else phase
            found.append(
                Status(
                    phase,
                    f"{state} ({reason})" if reason not in ("", "-") else state,
                    "" if hosts == "-" else hosts,
                    int(index) - 1 if index.isdigit() and index != "0" else None,
                    again=bool(re.search("TERM_RUNLIMIT|TERM_PREEMPT|TERM_.*HOST", reason)),
                )
            )
        return found

    def cancel(self, job: str) -> str:
        return f"bkill {job}"


class PBS:
    """qsub, qstat. What ended is told by `qstat -x` where the site keeps it."""

    name = "pbs"
    prefix = "#PBS"
    index = "${PBS_ARRAY_INDEX}"
    unproven: str | None = "written from PBS Professional's documentation; no PBS has run it yet"

    OVER_TIME = "-29"
    """The exit status of a job beyond its walltime (JOB_EXEC_KILL_WALLTIME)."""

    def directives(self, wish: Wish) -> list[tuple[str, str]]:
        each = wish.cores if wish.exclusive and wish.cores else share(wish)
        ranks = math.ceil(wish.ranks / wish.nodes)
        place = "scatter:excl" if wish.exclusive else "scatter"
        lines = [
            (f"-N {wish.name}", "its name in the queue"),
            (
                f"-l select={wish.nodes}:ncpus={each}:mpiprocs={ranks}",
                "nodes, and of each its cores and how many ranks mpiexec may put there",
            ),
            (f"-l place={place}", EXCLUSIVE if wish.exclusive else "a node each"),
            (f"-l walltime={clock(wish.time_s)}", "what it does not reach is sent again"),
            ("-j oe", "what goes wrong stands beside what is printed"),
            (f"-o {wish.folder}/", "progress, and the table"),
            ("-r n", ALONE),
        ]
        return [*lines, (f"-J 0-{wish.tasks - 1}", "an array")] if wish.tasks > 1 else lines

    def submit(self, script: Path) -> str:
        return ask(["qsub", str(script)]).strip()

    def status(self, job: str) -> list[Status]:
        try:
            told = ask(["qstat", "-x", "-t", "-f", job])
        except Unavailable as error:
            if "Unknown Job Id" not in str(error):
                raise
            return []
        parts = re.split(r"^Job Id: ", told, flags=re.MULTILINE)[1:]
        tasks = [part for part in parts if re.match(r"\d+\[\d+\]", part)]
        return [self._of_part(part) for part in tasks or parts]

    def _of_part(self, part: str) -> Status:
        said = dict(re.findall(r"^\s+(\w+) = (.*)$", part, re.MULTILINE))
        state, code = said.get("job_state", "F"), said.get("Exit_status", "")
        phase = ENDED if state in "FX" else RUNNING if state in "RBES" else WAITING
        task = re.match(r"\d+\[(\d+)\]", part)
        over = code == self.OVER_TIME
        killed = code.isdigit() and int(code) > 128
        name = "over its walltime" if over else f"ended by exit status {code}" if killed else "F"
        return Status(
            phase,
            name if phase == ENDED else state,
            said.get("exec_host" if phase != WAITING else "comment", ""),
            int(task[1]) if task else None,
            again=over,
        )

    def cancel(self, job: str) -> str:
        return f"qdel {job}"


def share(wish: Wish) -> int:
    """Cores of each node that its cases take."""
    return math.ceil(wish.ranks / wish.nodes) * wish.threads


SCHEDULERS: dict[str, Scheduler] = {each.name: each for each in (Slurm(), LSF(), PBS())}
