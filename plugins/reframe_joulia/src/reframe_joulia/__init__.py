"""A ReFrame test that runs one case of joulia: seconds and joules a step, and whether it was right.

It runs the command `joulia` and reads the record that this writes, and imports nothing of joulia's:
ReFrame's Python on a login node and joulia's on the nodes need not be one.
"""

import json
import shlex
from pathlib import Path
from typing import Any

import reframe as rfm
import reframe.utility.sanity as sn
import reframe.utility.typecheck as typ
from reframe.core.backends import getlauncher
from reframe.core.builtins import parameter, run_before, sanity_function, variable
from reframe.core.exceptions import SanityError
from reframe.core.logging import getlogger

RECORDS = "records.jsonl"


class JouliaTest(rfm.RunOnlyRegressionTest):
    """One case: `joulia run KERNEL --backend ... --size ...`, once, in the job that ReFrame starts.

    Performance variables: `time` (s/step), `energy` (J/step) and `power` (W) where joules were
    measured, and `metered`: 1 where they were, 0 where not, with the meters or the reason in the
    place of its unit. Sanity is joulia's verdict: `invalid` and `failed` fail with their reason,
    `skipped` (a backend that is not here) skips, or fails where `must_run`. The record is kept.
    """

    kernel = parameter(["heat"])
    """Names of `joulia list`."""
    backend = parameter(["numba"])
    """As `joulia run --backend` takes them: numba, c++, occa:openmp, numba/plain, ..."""
    size = parameter(["small"])
    """tiny, small, medium or large; or cells an axis, as in 256x256x256."""
    dtype = parameter(["float64"])
    """float64 or float32."""
    ranks = parameter([1])
    """MPI ranks. joulia starts them itself, inside the job's allocation."""
    threads = parameter([1])
    """Threads a rank."""

    joulia = variable(str, value="joulia")
    """The command where the job runs: a path, or `/site/python -m joulia`."""
    window_s = variable(float, value=0.5)
    """The least length of a sample, s."""
    repeats = variable(int, value=9)
    """Samples. Fewer than 6 have no interval."""
    energy_tolerance = variable(float, value=2.0)
    """Per cent (one sigma) up to which joules are given."""
    options = variable(typ.List[str], value=[])
    """More of `joulia run`: ['--param', 'cfl=0.2'], ['--site', 'satori'], ..."""
    must_run = variable(bool, value=False)
    """Fail, instead of skip, where the case cannot run."""
    must_meter = variable(bool, value=False)
    """Fail where there are no joules."""

    verdict = variable(str, value="", loggable=True)
    """joulia's: valid, invalid, failed or skipped, with the reason. In reports and logs."""
    joules_from = variable(str, value="", loggable=True)
    """The meters that counted, or why there are no joules, whole. In reports and logs."""

    valid_systems = ["*"]  # noqa: RUF012 - ReFrame's variables: a copy for each test
    valid_prog_environs = ["*"]  # noqa: RUF012
    exclusive_access = True  # a node's meters count whoever computes there
    keep_files = [RECORDS]  # noqa: RUF012

    @run_before("setup")
    def ask_for_cores(self) -> None:
        self.num_tasks = self.ranks
        self.num_cpus_per_task = self.threads

    @run_before("run")
    def command(self) -> None:
        """joulia starts ranks itself: under ReFrame's launcher each rank would be a joulia."""
        self.job.launcher = getlauncher("local")()
        shape = "--shape" if self.size[:1].isdigit() else "--size"
        arguments = [
            "run", self.kernel, "--backend", self.backend, shape, self.size,
            "--dtype", self.dtype, "--ranks", self.ranks, "--threads", self.threads,
            "--window", self.window_s, "--repeats", self.repeats,
            "--energy-tolerance", self.energy_tolerance, "--no-ceiling", "--no-resume",
            *self.options, "--output", RECORDS,
        ]  # fmt: skip
        self.executable = self.joulia
        self.executable_opts = [shlex.quote(str(argument)) for argument in arguments]

    @sanity_function
    def judge(self) -> bool:
        record = self.record()
        reasons = "; ".join(record["reasons"])
        self.verdict = line(f"{record['status']}: {reasons}" if reasons else record["status"])
        self.joules_from = line(self.meters(record))
        if record["status"] == "skipped":
            self.skip_if(not self.must_run, self.verdict)
        if record["status"] != "valid":
            raise SanityError(self.verdict)
        if self.must_meter and not record["energy"]:
            raise SanityError(f"no joules: {self.joules_from}")
        return True

    @run_before("performance")
    def publish(self) -> None:
        """Figures are published of a valid case only: this comes after `judge`."""
        if self.is_dry_run():
            return
        record = self.record()
        energy = record["energy"]
        figures = {"time": (record["time"]["median"], "s/step")}
        if energy:
            figures["energy"] = (energy["median"], "J/step")
            figures["power"] = (energy["watts"], "W")
        else:
            getlogger().warning(f"{self.display_name}: no joules: {self.joules_from}")
        told = self.joules_from if energy else short(self.joules_from)
        figures["metered"] = (1 if energy else 0, told)
        self.perf_variables = {
            name: sn.make_performance_function(sn.defer(value), unit)
            for name, (value, unit) in figures.items()
        }

    def record(self) -> dict[str, Any]:
        """The record of the case; SanityError, with joulia's own line, where there is not one."""
        folder = Path(self.stagedir)
        try:
            lines = (folder / RECORDS).read_text().splitlines()
        except FileNotFoundError:
            lines = []
        if len(lines) == 1:
            return json.loads(lines[0])
        if lines:
            raise SanityError(f"{len(lines)} records: `options` must not make it several cases")
        said = (folder / self.job.stderr).read_text().strip().splitlines()
        raise SanityError(f"joulia wrote no record: {said[-1] if said else 'and said nothing'}")

    @staticmethod
    def meters(record: dict[str, Any]) -> str:
        energy = record["energy"]
        if energy:
            return f"{energy['source']}: {', '.join(sorted(energy['counted']))}"
        return record["energy_reason"] or "nothing was measured"


def line(text: str) -> str:
    """In one field of ReFrame's logs, whose separator is a bar."""
    return " ".join(text.replace("|", "/").split())


def short(reason: str) -> str:
    """Of a reason with details in brackets, what stands before them: it must fit into a table."""
    return reason.partition(" (")[0]
