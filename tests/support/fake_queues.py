"""Stand-ins for the commands of LSF and PBS, which run what they are given on this machine.

Options, words and exit codes are those of the documentation: IBM Spectrum LSF 10.1, command
reference (bsub, bsub -J, bsub -rn, bjobs -o, termination reasons); PBS Professional, the man pages
qsub(1B), qstat(1B) and pbs_job_attributes(7B) as OpenPBS has them, and JOB_EXEC_KILL_WALLTIME. An
option that is not known here is refused, as the real ones do.

QUEUE names the folder of the queue. A task whose number names a file there is killed, as at its
time limit, once joulia's submission below the folder that the file names tells of a case under way;
that happens once.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

QUEUE = Path(os.environ.get("QUEUE", "."))
NAMES = ("bsub", "bjobs", "qsub", "qstat")
LSF_OPTIONS = ("-J", "-n", "-R", "-W", "-o", "-q")
FIELDS = "jobid jobindex stat exec_host exit_reason delimiter='|'"
PBS_OPTIONS = ("-N", "-l", "-j", "-o", "-r", "-J")


def install(folder: Path) -> None:
    """Put the commands into a folder for PATH."""
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_text(f"#!{sys.executable} -SE\n{Path(__file__).read_text()}")
        (folder / name).chmod(0o755)


def refuse(code: int, words: str) -> NoReturn:
    print(words, file=sys.stderr)
    sys.exit(code)


def directives(script: str, prefix: str) -> list[list[str]]:
    """The words of each line of a script that speaks to its queue, up to the first command."""
    lines = []
    for line in script.splitlines():
        if line.startswith(prefix):
            lines.append(shlex.split(line.removeprefix(prefix)))
        elif line and not line.startswith("#"):
            break
    return lines


def add(script: str, log: str, tasks: list[int], array: bool) -> str:
    """Start all tasks of a job; its number."""
    number = str(17 + len(list(QUEUE.glob("*.job"))))
    (QUEUE / f"{number}.sh").write_text(script)
    (QUEUE / f"{number}.job").write_text(json.dumps({"tasks": tasks, "array": array, "log": log}))
    for task in tasks:
        note(number, task, state="queued")
        subprocess.Popen(
            [*sys.orig_argv[:3], "--task", number, str(task)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    return number


def note(number: str, task: int, **said: Any) -> None:
    path = QUEUE / f"{number}.{task}"
    path.with_suffix(".part").write_text(json.dumps(said))
    path.with_suffix(".part").replace(path)


def told(number: str) -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
    """A job, and its tasks by number; nothing where there is none."""
    try:
        job = json.loads((QUEUE / f"{number}.job").read_text())
    except FileNotFoundError:
        return {}, {}
    return job, {
        task: json.loads((QUEUE / f"{number}.{task}").read_text()) for task in job["tasks"]
    }


def task(number: str, index: int, variables: dict[str, str]) -> None:
    """Run one task to its end, or kill it."""
    job, _ = told(number)
    lowest = job["tasks"][0]
    log = job["log"].replace("%J", number).replace("%I", str(index))
    with Path(log).open("w") as said:
        child = subprocess.Popen(
            ["bash", str(QUEUE / f"{number}.sh")],
            env=os.environ | variables, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip
    note(number, index, state="running")
    limit = QUEUE / str(index)
    over = False
    while child.poll() is None:
        if limit.exists() and any(Path(limit.read_text()).glob(f"*/{index - lowest}.underway")):
            limit.unlink()
            over = True
            os.killpg(child.pid, signal.SIGKILL)
        time.sleep(0.05)
    note(number, index, state="ended", code=child.returncode, over=over)


# ---- LSF ----------------------------------------------------------------------------------


def bsub() -> None:
    script = sys.stdin.read()
    given: dict[str, str] = {}
    for words in directives(script, "#BSUB "):
        if words in (["-x"], ["-rn"]):
            continue
        if len(words) != 2 or words[0] not in LSF_OPTIONS:
            refuse(255, f"{' '.join(words)}: Illegal option. Job not submitted.")
        given[words[0]] = words[1]
    if "-q" in given:
        refuse(255, f"{given['-q']}: No such queue. Job not submitted.")
    name = re.fullmatch(r"[\w.-]+(?:\[1-(\d+)\](?:%\d+)?)?", given["-J"])
    if not name or not given["-W"].isdigit() or not given["-n"].isdigit():
        refuse(255, f"{given}: Bad argument. Job not submitted.")
    tasks = list(range(1, int(name[1]) + 1)) if name[1] else [0]
    number = add(script, given["-o"], tasks, array=bool(name[1]))
    print(f"Job <{number}> is submitted to default queue <normal>.")


def bjobs() -> None:
    if sys.argv[1:5] != ["-a", "-noheader", "-o", FIELDS]:
        refuse(255, "bjobs: Illegal option")
    number = sys.argv[5]
    job, tasks = told(number)
    if not job:
        refuse(255, f"Job <{number}> is not found")
    for index, said in tasks.items():
        state = {"queued": "PEND", "running": "RUN"}.get(said["state"])
        state = state or ("EXIT" if said["code"] else "DONE")
        limit = "TERM_RUNLIMIT: job killed after reaching LSF run time limit"
        host = "-" if state == "PEND" else "2*host01"
        print(number, index, state, host, limit if said.get("over") else "-", sep="|")


# ---- PBS ----------------------------------------------------------------------------------


def qsub() -> None:
    script = Path(sys.argv[1]).read_text()
    given: dict[str, str] = {}
    for words in directives(script, "#PBS "):
        if len(words) != 2 or words[0] not in PBS_OPTIONS:
            refuse(
                2, f"qsub: invalid option -- '{words[0].strip('-')}'\nusage: qsub [-a date_time]"
            )
        given[words[0]] = words[1]
    if "-J" in given and given.get("-r") == "n":
        refuse(2, "qsub:  cannot submit non-rerunnable Array Job")
    array = re.fullmatch(r"0-(\d+)(?:%\d+)?", given.get("-J", ""))
    tasks = list(range(int(array[1]) + 1)) if array else [0]
    # A path without a file's name: <job ID>.OU.
    number = add(script, given["-o"] + "%J[%I].OU", tasks, array=bool(array))
    print(f"{number}[].server" if array else f"{number}.server")


def qstat() -> None:
    if sys.argv[1:4] != ["-x", "-t", "-f"]:
        refuse(2, "usage: qstat [-f] [-J] [-p] [-t] [-x]")
    name = sys.argv[4]
    job, tasks = told(name.partition(".")[0].removesuffix("[]"))
    if not job:
        refuse(153, f"qstat: Unknown Job Id {name}")
    if job["array"]:
        ended = all(said["state"] == "ended" for said in tasks.values())
        print(f"Job Id: {name}\n    Job_Name = joulia\n    job_state = {'F' if ended else 'B'}\n")
    for index, said in tasks.items():
        state = {"queued": "Q", "running": "R", "ended": "X" if job["array"] else "F"}[
            said["state"]
        ]
        print(f"Job Id: {name.replace('[]', f'[{index}]')}\n    Job_Name = joulia")
        print(f"    job_state = {state}")
        if state == "Q":
            print("    comment = Not Running: Insufficient amount of resource: ncpus")
        else:
            print("    exec_host = node01/0*2+node02/\n\t0*2")
        if said["state"] == "ended":
            code = -29 if said["over"] else said["code"]
            print(f"    Exit_status = {code if code >= -29 else 256 - code}")
        print()


if __name__ == "__main__":
    called = Path(sys.argv[0]).name
    if sys.argv[1:2] == ["--task"]:
        number, index = sys.argv[2:]
        lsf = {"LSB_JOBID": number, "LSB_JOBINDEX": index}
        pbs = {"PBS_JOBID": f"{number}[{index}].server", "PBS_ARRAY_INDEX": index}
        task(number, int(index), lsf if called == "bsub" else pbs)
    else:
        {"bsub": bsub, "bjobs": bjobs, "qsub": qsub, "qstat": qstat}[called]()
