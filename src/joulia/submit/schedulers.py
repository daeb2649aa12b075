"""What schedulers are asked and answer: Slurm, LSF and PBS through their own commands.

Their commands are on every node from which one may submit, in the version that the site runs; a
library would have to be installed and kept for them (docs/sites.md). LSF and PBS are written from
their public documentation and have met no real queue: `Scheduler.unproven` says so.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from joulia.errors import Unavailable
from joulia.submit.queue import ENDED, RUNNING, WAITING, Scheduler, Status, Wish, ask, clock, share

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
    NEVER = re.compile(
        "Partition(Config|NodeLimit|TimeLimit)|BadConstraints|(Account|QOS)NotAllowed"
        r"|Invalid(Account|QOS)|DependencyNeverSatisfied|(Assoc|QOS)Max\w*PerJob"
    )
    """Reasons for which no waiting helps, of those at slurm.schedmd.com/job_reason_codes.html."""

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
            "" if detail in ("None", "(null)") else detail.replace("_", " "),
            int(task) if task.isdigit() else None,
            again=state in self.AGAIN,
            exclusive=said["OverSubscribe"] == "NO" if "OverSubscribe" in said else None,
            well=state == "COMPLETED" if phase == ENDED else None,
            advice=self._advice(said["JobId"], detail) if phase == WAITING else "",
        )

    def _advice(self, job: str, reason: str) -> str:
        if reason == "JobHeldUser":
            return f"it is held: `scontrol release {job}` lets it start"
        if reason == "JobHeldAdmin":
            return "an administrator holds it, and has to release it"
        if self.NEVER.match(reason):
            return f"it will not start as it was asked for: `{self.cancel(job)}`, and ask for less"
        return ""

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
            phase, again = self._phase(word), word in self.AGAIN
            well = word == "COMPLETED" if phase == ENDED else None
            found.append(Status(phase, word, task=number, again=again, well=well))
        return found

    def cancel(self, job: str) -> str:
        return f"scancel {job}"


class LSF:
    """bsub, bjobs. A job's limit is in minutes, tasks of an array begin at 1."""

    name = "lsf"
    prefix = "#BSUB"
    index = "$((LSB_JOBINDEX - 1))"
    unproven: str | None = "written from IBM's documentation of LSF 10.1; no LSF has run it yet"

    AGAIN = "TERM_(RUNLIMIT|PREEMPT|REMOVE_HUNG_JOB)"
    """Of "Termination reasons displayed by bacct, bhist, and bjobs". A job whose host is lost is
    ZOMBI, or in time removed."""

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
                    again=state == "ZOMBI" or bool(re.search(self.AGAIN, reason)),
                    well=state == "DONE" if phase == ENDED else None,
                    advice=f"it is held: `bresume {job}` lets it start" if state == "PSUSP" else "",
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
        ]
        if wish.tasks == 1:
            return [*lines, ("-r n", ALONE)]
        # qsub takes no array that may not be run again, and older ones no number of tasks at once.
        most = f"%{wish.at_once}" if wish.at_once < wish.tasks else ""
        return [*lines, (f"-J 0-{wish.tasks - 1}{most}", "an array, and how many run at once")]

    def submit(self, script: Path) -> str:
        return ask(["qsub", str(script)]).strip()

    def status(self, job: str) -> list[Status]:
        try:
            # A server that keeps no history says so on -x, of whichever job, and nothing else.
            told = ask(["qstat", "-x", "-t", "-f", job]) or ask(["qstat", "-t", "-f", job])
        except Unavailable as error:
            if not re.search("Unknown Job Id|has finished", str(error)):
                raise
            return []
        told = told.replace("\n\t", "")  # long values are wrapped
        parts = re.split(r"^Job Id: ", told, flags=re.MULTILINE)[1:]
        tasks = [part for part in parts if re.match(r"\d+\[\d+\]", part)]
        return [self._of_part(part) for part in tasks or parts]

    def _of_part(self, part: str) -> Status:
        said = dict(re.findall(r"^\s+(\w+) = (.*)$", part, re.MULTILINE))
        state, code = said.get("job_state", "F"), said.get("Exit_status", "")
        phase = ENDED if state in "FX" else RUNNING if state in "RBES" else WAITING
        task = re.match(r"\d+\[(\d+)\]", part)
        over = code == self.OVER_TIME
        end = "over its walltime" if over else f"ended with exit status {code or 'untold'}"
        held = f"it is held: `qrls {part.split()[0]}` lets it start"
        return Status(
            phase,
            state if phase != ENDED else "finished" if code == "0" else end,
            said.get("exec_host" if phase != WAITING else "comment", ""),
            int(task[1]) if task else None,
            again=over,
            well=code == "0" if phase == ENDED and code else None,
            advice=held if state == "H" else "",
        )

    def cancel(self, job: str) -> str:
        return f"qdel {job}"


SCHEDULERS: dict[str, Scheduler] = {each.name: each for each in (Slurm(), LSF(), PBS())}
