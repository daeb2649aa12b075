"""Two revisions of any git project, each checked out whole and built by the project's own means."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from joulia.errors import JouliaError
from joulia.gate.builds import git
from joulia.system.git import environment
from joulia.system.guard import guarded


@dataclass(frozen=True)
class Checkout:
    """A revision in a folder of its own, and the environment that its programs run in."""

    side: str
    commit: str
    subject: str
    folder: Path
    env: dict[str, str]

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.side} {self.commit[:12]}"


def check_out(root: Path, side: str, commit: str, folder: Path) -> Checkout:
    """A commit of the repository at `root`, as a repository of its own that shares its objects.

    Not a work tree of the user's repository, which that would have to forget afterwards, also
    after a crash. Tags come along, for builds that take their version from them; what `origin`
    is, too, for submodules and large files that a build fetches. JouliaError where git refuses.
    """
    tree = folder / side / "tree"
    tree.mkdir(parents=True)
    try:
        kind = git(root, "rev-parse", "--show-object-format")
        git(tree, "init", "--quiet", "--template=", f"--object-format={kind}")
        own = tree / ".git"
        objects = root / git(root, "rev-parse", "--git-path", "objects")
        (own / "objects" / "info").mkdir(parents=True, exist_ok=True)
        (own / "objects" / "info" / "alternates").write_text(f"{objects.resolve()}\n")
        shallow = root / git(root, "rev-parse", "--git-path", "shallow")
        if shallow.is_file():
            shutil.copyfile(shallow, own / "shallow")
        git(tree, "fetch", "--quiet", str(root), "+refs/tags/*:refs/tags/*")
        if origin := _origin(root):
            git(tree, "remote", "add", "origin", origin)
        git(tree, "checkout", "--quiet", "--detach", commit)
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        raise JouliaError(f"git cannot check out {side} {commit[:12]}: {lines[-1]}") from None
    subject = git(root, "log", "-1", "--format=%s", commit)
    return Checkout(side, commit, subject, tree, environment())


def _origin(root: Path) -> str | None:
    try:
        return git(root, "remote", "get-url", "origin")
    except subprocess.CalledProcessError:
        return None


def build(checkout: Checkout, command: str) -> None:
    """Run a build command by the shell in a checkout; JouliaError with its last line on failure."""
    log = checkout.folder.parent / "build.log"
    with log.open("w") as file:
        child = subprocess.Popen(
            guarded(["sh", "-c", command]),
            cwd=checkout.folder,
            env=checkout.env,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = child.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):  # Popen may have reaped it meanwhile
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
    if code:
        raise JouliaError(f"{checkout.name} does not build: exit code {code}{last_line(log)}")


def last_line(*files: Path) -> str:
    """`: ` and the last line that is in the first of the files with any; else nothing."""
    for file in files:
        text = file.read_text(errors="replace") if file.is_file() else ""
        if lines := [line.strip() for line in text.splitlines() if line.strip()]:
            return f": {lines[-1][:300]}"
    return ""
