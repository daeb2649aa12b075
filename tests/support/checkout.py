"""The checkout under test, as a repository of its own that a test may change."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def git(folder: Path, *arguments: str) -> str:
    """What git prints in a folder; commits need no configuration of the user's."""
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def copy_checkout(folder: Path, *parts: str) -> None:
    """Commit the checkout's files below `parts`, as they are now, to a new repository."""
    git(folder, "init", "-q", "-b", "main")
    files = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", *parts)
    for name in filter(None, files.split("\0")):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.symlink_to(source.readlink())
        elif source.is_file():
            target.write_bytes(source.read_bytes())
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "as it is")
