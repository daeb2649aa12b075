"""A real Slurm of two nodes on this machine, in a folder of its own: a controller, two slurmd.

Debian's slurm-wlm and munge are enough; nothing is configured or started outside of the folder. The
nodes n1 and n2 share this machine's cores, and without an affinity plug-in Slurm binds nobody.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol")
PATIENCE_S = 30.0

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
FirstJobId={first}
KillWait=2
TaskProlog={folder}/prolog
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""

PROLOG = """#!/bin/sh
root="{folder}/roots/$SLURMD_NODENAME"
if [ -d "$root" ]; then echo "export JOULIA_ROOT=$root"; fi
"""
"""Tasks on a node see the tree that a test put under `roots/n1`: a machine of their own."""


def missing() -> str | None:
    """What is not installed."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    lacking = [name for name in PROGRAMS if not shutil.which(name, path=path)]
    return f"no {', '.join(lacking)} (Debian: slurm-wlm, munge)" if lacking else None


class Cluster:
    """Two nodes, ready for jobs; RuntimeError with the daemons' words where they do not start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.children: list[subprocess.Popen[bytes]] = []
        self.conf = folder / "slurm.conf"
        self.path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
        (folder / "state").mkdir()
        prolog = folder / "prolog"
        prolog.write_text(PROLOG.format(folder=folder))
        prolog.chmod(0o755)
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        text = CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            user=getpass.getuser(),
            folder=folder,
            ports=free_ports(3),
            # MPICH names its shared memory after job and step, and under Slurm leaves it behind: in
            # the next cluster's job 1 ranks would find that of this one's.
            first=1 + secrets.randbelow(60_000_000),
        )
        self.began = time.time()
        self.conf.write_text(text)
        self.environment = {"SLURM_CONF": str(self.conf)}
        files = ("socket", "pid-file", "log-file", "seed-file")
        named = [f"--{name}={folder}/munge.{name.partition('-')[0]}" for name in files]
        self.start("munged", "--foreground", f"--key-file={key}", *named)
        self.until(lambda: (folder / "munge.socket").exists())
        self.start("slurmctld", "-D")
        for node in ("n1", "n2"):
            self.start("slurmd", "-D", "-N", node)
        self.until(lambda: "idle=2" in self.ask("sinfo", "-h", "-o", "%T=%D"))

    def start(self, *command: str) -> None:
        with (self.folder / "said").open("ab") as said:
            child = subprocess.Popen(
                command,
                env=os.environ | self.environment | {"PATH": self.path},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self.children.append(child)

    def until(self, there) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not there():
            ended = [child.args[0] for child in self.children if child.poll() is not None]
            if ended or time.monotonic() > deadline:
                said = (self.folder / "said").read_text(errors="replace").splitlines()
                self.stop()
                raise RuntimeError(f"{ended or 'it'} does not start: {' | '.join(said[-3:])}")
            time.sleep(0.05)

    def ask(self, *command: str) -> str:
        done = subprocess.run(
            command,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.stdout

    def stop(self) -> None:
        """Jobs first, then the daemons, the last one first."""
        self.ask("scancel", "--user", getpass.getuser())
        for child in reversed(self.children):
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        remove_left_memory(self.began)


def remove_left_memory(since: float) -> None:
    """Shared memory that MPICH left behind since then, and that nobody has mapped."""
    mapped = ""
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):  # it ended while it was read
            mapped += maps.read_text()
    for path in Path("/dev/shm").glob("mpich_shm_*"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime >= since and str(path) not in mapped:
                path.unlink()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
