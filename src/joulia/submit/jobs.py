"""A submission: its folder, its job, and what becomes of it until its records are in the results.

The folder lies beside the results and is named after what is asked for, so that the same command
finds it again: it follows a job that is still in the queue, and otherwise takes over what the last
one left, and sends what is missing.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from joulia.case import digest
from joulia.errors import JouliaError, Unavailable
from joulia.records import store
from joulia.records.record import Record
from joulia.runner import underway
from joulia.sites.site import Site
from joulia.submit import script
from joulia.submit.queue import ENDED, RUNNING, Scheduler, Status, Wish
from joulia.submit.schedulers import SCHEDULERS
from joulia.submit.script import Task
from joulia.system.locks import locked

ASK_S = (0.5, 15.0)
"""Seconds between two questions to the scheduler: the first, and the longest."""
ASK_REL = 0.05
"""The same as a share of the time that it was waited so far: sites ask users to ask seldom."""

FORGOTTEN = "ended, and the scheduler has forgotten how"

Say = Callable[[str], None]


@dataclass
class Submission:
    """One run through a queue. `runs` are the arguments of each task for `joulia`."""

    site: Site
    runs: Sequence[Sequence[str]]
    output: Path
    nodes: int
    ranks: int
    threads: int
    time_s: int
    exclusive: bool
    at_once: int = 10
    directives: Sequence[str] = ()
    tries: int = 4
    """How often a job is sent at most, where each ended for a reason that the next may not meet."""
    say: Say = field(default=lambda line: None)

    @property
    def scheduler(self) -> Scheduler:
        return SCHEDULERS[self.site.scheduler]

    @property
    def folder(self) -> Path:
        name = digest(self.site.name, [list(run) for run in self.runs])
        return (self.output.parent / f"{self.output.stem}.jobs" / name).absolute()

    def tasks(self) -> list[Task]:
        """A run alone writes to the results itself; tasks of an array to a file of their own, since
        they run on several nodes at once, whose file system may know no locks."""
        alone = len(self.runs) == 1
        return [
            Task(
                tuple(run),
                self.output.absolute() if alone else self.folder / f"{number}.jsonl",
                self.folder / f"{number}.underway",
            )
            for number, run in enumerate(self.runs)
        ]

    def script(self) -> str:
        wish = Wish(
            name="joulia",
            folder=self.folder,
            nodes=self.nodes,
            ranks=self.ranks,
            threads=self.threads,
            cores=int(self.site.cores.value) if self.site.cores else None,
            time_s=self.time_s,
            exclusive=self.exclusive,
            tasks=len(self.runs),
            at_once=self.at_once,
        )
        return script.write(self.site, self.scheduler, wish, self.tasks(), self.directives)

    # ---- the queue -------------------------------------------------------------------------

    def send(self) -> str:
        """Put the job into the queue, or find the one that is there; its id.

        One that ended well while nobody followed it is only left to be collected.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / "lock"):
            path, script = self.folder / "job.sh", self.script()
            job, followed = self.noted()
            if job is not None:
                statuses = self.statuses(job)
                if self.going(statuses):
                    self.say(f"job {job} is in the queue already{self.unlike(path, job)}")
                    return job
                if not followed and well(statuses):
                    self.say(f"job {job} ended while nobody followed it")
                    return job
                self.gather(f"job {job} ended in the middle of it")
            path.write_text(script)
            path.chmod(0o755)
            job = self.scheduler.submit(path)
            self.note(job, followed=False)
        self.say(f"job {job}: {path}")
        return job

    def unlike(self, path: Path, job: str) -> str:
        """What to say where a job that waits or runs was asked for with other directives."""
        prefix = self.scheduler.prefix
        before, now = (
            [line for line in text.splitlines() if line.startswith(prefix)]
            for text in (path.read_text(), self.script())
        )
        cancel = self.scheduler.cancel(job)
        return (
            "" if before == now else f", with other directives than these: `{cancel}` to send these"
        )

    def noted(self) -> tuple[str | None, bool]:
        """The id of the last job of this submission, and whether it was followed to its end."""
        path = self.folder / "job.json"
        try:
            data = json.loads(path.read_text())
            return str(data["job"]), bool(data.get("followed"))
        except FileNotFoundError:
            return None, False
        except (OSError, ValueError, KeyError, TypeError):
            raise JouliaError(
                f"{path} names no job. Allowed: as `joulia submit` wrote it, or no such file, once "
                "its job is out of the queue"
            ) from None

    def job(self) -> str | None:
        """The id of the last job of this submission."""
        return self.noted()[0]

    def note(self, job: str, *, followed: bool) -> None:
        """Keep the job's id for whoever comes next."""
        partial = self.folder / "job.json.part"
        partial.write_text(json.dumps({"job": job, "followed": followed}))
        partial.replace(self.folder / "job.json")

    def statuses(self, job: str) -> list[Status]:
        return self.scheduler.status(job)

    @staticmethod
    def going(statuses: Sequence[Status]) -> bool:
        return any(status.phase != ENDED for status in statuses)

    def wait(self, job: str) -> list[Status]:
        """Follow a job to its end. A scheduler that does not answer is asked again."""
        began = time.monotonic()
        told, silent = "", 0
        last: list[Status] = []
        while True:
            try:
                statuses, silent = self.statuses(job), 0
            except Unavailable as error:
                silent += 1
                if silent > 20:
                    raise
                statuses, line = last, f"job {job}: {error}"
            else:
                line = f"job {job}: {words(statuses)}"
            last = statuses or last
            if self.exclusive and any(each.exclusive is False for each in running(statuses)):
                line += "; its nodes are not exclusive, and their meters count others too"
            for advice in dict.fromkeys(each.advice for each in statuses if each.advice):
                line += f"; {advice}"
            if line != told:
                self.say(line)
                told = line
            if not silent and not self.going(statuses):
                # What the scheduler has forgotten has ended; how, nobody can say.
                return statuses or [Status(ENDED, FORGOTTEN)]
            least, most = ASK_S
            time.sleep(min(most, max(least, ASK_REL * (time.monotonic() - began))))

    def follow(self, job: str) -> list[Status]:
        """Follow to the end, and send again what ended before its own, as long as it gets on."""
        sent = 1
        while True:
            had = len(self.valid())
            statuses = self.wait(job)
            self.collect(reason(job, statuses))
            self.note(job, followed=True)
            if not any(status.again for status in statuses):
                return statuses
            if sent >= self.tries or (sent > 1 and len(self.valid()) == had):
                self.say(f"job {job} is not sent again: {sent} tries, the last without a new case")
                return statuses
            sent += 1
            self.say(f"job {job} ended before its cases did ({words(statuses)}): sent again")
            job = self.send()

    # ---- the records -----------------------------------------------------------------------

    def valid(self) -> set[str]:
        """The ids of what is measured."""
        if not self.output.is_file():
            return set()
        return {each.id for each in store.load(self.output) if each.status == "valid"}

    def collect(self, why: str) -> None:
        """Bring what the tasks wrote into the results, and what they were at as `failed`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / "lock"):
            self.gather(why)

    def gather(self, why: str) -> None:
        """The same, for who holds the lock."""
        file = store.ResultsFile(self.output)
        there = {(each.id, each.started_at) for each in store.load(self.output)}
        for task in self.tasks():
            own = file
            if task.results != self.output.absolute():
                if not (task.results.is_file() or task.underway.is_file()):
                    continue
                own = store.ResultsFile(task.results)
            left = underway.take(task.underway, task.results, own, why)
            if left:
                self.say(f"{left.case.label}: failed: {why}")
            if own is not file:
                for each in store.load(task.results):
                    if (each.id, each.started_at) not in there:
                        file.append(each)

    def records(self) -> list[Record]:
        """The last word on every case of the results: a failed one gives way to its next try."""
        if not self.output.is_file():
            return []
        last = {each.id: each for each in store.load(self.output)}
        return list(last.values())

    def written(self) -> int:
        """How many records the results hold."""
        return len(store.load(self.output)) if self.output.is_file() else 0

    def silent(self) -> list[str]:
        """What to say of a job that wrote no record: the end of its log, or that there is none."""
        job = self.job()
        if lines := self.log():
            return [*(f"  {line}" for line in lines), f"job {job} wrote no record; so ends its log"]
        return [
            f"job {job} wrote no record, and there is no log in {self.folder}: a job that cannot "
            "write there, on its node, ends before it begins"
        ]

    def log(self) -> list[str]:
        """The last lines that the last task to write anything printed; PBS names its logs *.OU."""
        found = (self.folder.glob(pattern) for pattern in ("*.log", "*.OU"))
        logs = sorted(itertools.chain(*found), key=os.path.getmtime)
        lines = logs[-1].read_text(errors="replace").splitlines() if logs else []
        return [line for line in lines if line.strip()][-12:]


def well(statuses: Sequence[Status]) -> bool:
    """Whether a job, or each task of an array, ended with exit code 0, as far as is known."""
    return bool(statuses) and all(status.well for status in statuses)


def running(statuses: Sequence[Status]) -> list[Status]:
    """Those that run now."""
    return [status for status in statuses if status.phase == RUNNING]


def words(statuses: Sequence[Status]) -> str:
    """The states of a job in a line: each once, with how many tasks are in it."""
    counts: dict[str, int] = {}
    for status in statuses:
        detail = f" ({status.detail})" if status.detail else ""
        on = f" on {status.detail}" if status.detail and status.phase == RUNNING else detail
        text = f"{status.state.lower()}{on if status.phase == RUNNING else detail}"
        counts[text] = counts.get(text, 0) + 1
    parts = [f"{count} x {text}" if count > 1 else text for text, count in counts.items()]
    return ", ".join(parts) or "unknown to the scheduler"


def reason(job: str, statuses: Sequence[Status]) -> str:
    """What a record says whose case was under way when its job ended."""
    states = {status.state for status in statuses if status.phase == ENDED and not status.well}
    return f"job {job} ended in the middle of it: {', '.join(sorted(states)) or 'nobody says why'}"


def require_output(path: Path) -> None:
    """JouliaError where results cannot be written there, before anything waits in a queue."""
    store.ResultsFile(path)
    if path.suffix != ".jsonl":
        raise JouliaError(f"--output {path} is not allowed. Allowed: a .jsonl file")
