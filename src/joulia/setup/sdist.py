"""Sources that a source distribution on PyPI carries, through pip."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

from joulia.errors import Unavailable
from joulia.system.interpreter import python


def download(
    requirement: str, sha256: str, scratch: Path, find: Callable[[Path], Path], remedy: str
) -> Path:
    """What `find` finds in it, with the user's own index, proxy and certificates.

    pip insists on the metadata of a source distribution, which old ones can give to no current
    Python: that failure is expected, and `--no-clean` leaves the sources, their hash checked.
    """
    listed = scratch / "requirements.txt"
    listed.write_text(f"{requirement} --hash=sha256:{sha256}\n")
    name = requirement.partition("==")[0]
    checked = ["--require-hashes", "--requirement", str(listed)]
    sources = ["--no-deps", "--no-binary", name, "--no-build-isolation", "--no-clean"]
    options = [*checked, *sources, "--dest", str(scratch / "dest"), "--disable-pip-version-check"]
    done = subprocess.run(
        python("-m", "pip", "download", *options),
        env=os.environ | {"TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return find(scratch)
    except Unavailable:
        lines = [line for line in done.stderr.splitlines() if "ERROR" in line]
        why = lines[-1].strip() if lines else f"pip ended with {done.returncode}"
        raise Unavailable(f"cannot download {requirement}: {why}", remedy) from None


def unpack(source: Path, scratch: Path, find: Callable[[Path], Path], what: str) -> Path:
    """What `find` finds in an archive or a folder that the user names."""
    if source.is_dir():
        shutil.copytree(find(source), scratch / "tree", symlinks=True)
        return scratch / "tree"
    try:
        with tarfile.open(source) as archive:
            archive.extractall(scratch, filter="data")
    except (OSError, tarfile.TarError) as error:
        raise Unavailable(f"cannot unpack {source}: {error}", f"name {what}'s .tar.gz") from None
    return find(scratch)
