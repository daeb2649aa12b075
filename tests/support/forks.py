"""The command line many times from one start: each call is a fork of a process that has it loaded.

To start Python and to load joulia takes longer than most calls. A fork has the arguments, the
environment, the folder and the standard files of its call; modules are loaded, nothing was called.
What Python and the loader read at their start (`PYTHONPATH`, `LD_LIBRARY_PATH`) is another server.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

AT_START = ("PYTHON", "LD_")
"""Beginnings of the variables that a process reads when it starts."""
MOST = 4
"""Servers at a time."""


class Commands:
    """Runs `python -m joulia ...` in forks, and ends its servers when it is closed."""

    def __init__(self) -> None:
        self.servers: dict[tuple[tuple[str, str], ...], subprocess.Popen[str]] = {}

    def run(
        self, arguments: list[str], env: dict[str, str], cwd: Path | None, timeout_s: float
    ) -> subprocess.CompletedProcess[str]:
        server = self.server(env)
        assert server.stdin is not None
        assert server.stdout is not None
        with tempfile.TemporaryDirectory(prefix="call-") as folder:
            files = [Path(folder, name) for name in ("stdout", "stderr")]
            call = {
                "argv": arguments,
                "env": env,
                "cwd": str(cwd or Path.cwd()),
                "files": list(map(str, files)),
            }
            print(json.dumps(call), file=server.stdin, flush=True)
            if not select.select([server.stdout], [], [], timeout_s)[0]:
                self.close()
                raise subprocess.TimeoutExpired(arguments, timeout_s)
            code = int(server.stdout.readline())
            return subprocess.CompletedProcess(
                arguments, code, *(path.read_text() for path in files)
            )

    def server(self, env: dict[str, str]) -> subprocess.Popen[str]:
        key = tuple(sorted((k, v) for k, v in env.items() if k.startswith(AT_START)))
        if key not in self.servers:
            while len(self.servers) >= MOST:
                end(self.servers.pop(next(iter(self.servers))))
            self.servers[key] = subprocess.Popen(
                [sys.executable, __file__],
                # A process with threads, as NumPy's BLAS makes them, cannot well be forked.
                env=env | {"OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        return self.servers[key]

    def close(self) -> None:
        while self.servers:
            end(self.servers.popitem()[1])


def end(server: subprocess.Popen[str]) -> None:
    """With the call that it may be in."""
    os.killpg(server.pid, signal.SIGKILL)
    server.communicate()


def serve() -> None:
    import joulia
    import joulia.cli.main
    import joulia.cli.progress
    import joulia.gate.compare
    import joulia.runner.plan
    import joulia.runner.session

    for package in ("kernels", "bridges"):
        for module in pkgutil.iter_modules([str(Path(joulia.__file__).parent / package)]):
            if not module.name.startswith("_"):
                importlib.import_module(f"joulia.{package}.{module.name}")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            become(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def become(call: dict[str, Any]) -> NoReturn:
    """The command that is called, to its end."""
    from joulia.cli.main import main

    os.environ.clear()
    os.environ.update(call["env"])
    os.chdir(call["cwd"])
    flags = os.O_WRONLY | os.O_CREAT
    for number, file in ((0, os.devnull), *zip((1, 2), call["files"], strict=True)):
        os.dup2(os.open(file, flags if number else os.O_RDONLY), number)
    sys.argv = ["joulia", *call["argv"]]
    main()
    sys.exit(0)


if __name__ == "__main__":
    serve()
