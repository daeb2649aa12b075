"""Everything that joulia needs, in one archive, for machines without a network.

A bundle is a .tar: joulia's own wheel and those of all it needs for one Python on one platform,
OCCA's source, the project of the Julia that is ready here (julia_project.py; not Julia itself), a
manifest with the digest of each file, and a script that installs them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import shutil
import subprocess
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from joulia.analysis.terminal import console
from joulia.errors import JouliaError, Unavailable
from joulia.setup import julia_project, occa
from joulia.setup.prepare import prepare
from joulia.system.interpreter import HOLDS_JOULIA, python
from joulia.version import version

ROOT = "joulia-bundle"
MANIFEST, WHEELS, OCCA, JULIA, INSTALL = (
    "manifest.json", "wheels", "occa.tar.gz", "julia", "install",
)  # fmt: skip
NOT_BUILT = (".*", "build", "dist", "results", "*.egg-info", "__pycache__")
"""What of a source tree no wheel is built from."""
SCRIPT = """#!/bin/sh
# ./install FOLDER: joulia in a new environment there, and everything built; no network is needed.
# PYTHON names the interpreter, which must be a Python {python} (python3). Where the bundle has a
# project for Julia, Julia itself is the one on PATH, or the one that PYTHON_JULIACALL_EXE names.
set -e
here=$(cd "$(dirname "$0")" && pwd)
"${{PYTHON:-python3}}" -m venv "${{1:?the folder of the new environment}}"
"$1/bin/python" -m pip install --no-index --find-links "$here/{wheels}" '{requirement}'
"$1/bin/python" -m joulia prepare --from "$here"
echo "joulia: $1/bin/joulia"
"""


def this_python() -> str:
    """The version of this interpreter as wheels name it: 3.11."""
    return ".".join(platform.python_version_tuple()[:2])


def bundle(
    output: Path,
    python_version: str | None = None,
    platforms: Sequence[str] = (),
    extras: Sequence[str] = ("mpich",),
    wheel: Path | None = None,
    *,
    julia: bool = True,
) -> None:
    """Gather wheels, OCCA's source and, where there is one, Julia's project into `output`.

    The wheels are for this Python and machine where no other is named. Which packages are needed
    pip decides by the machine that asks, since it cannot ask the other one. Unavailable where a
    package has no wheel for the target or nothing can be fetched.
    """
    out = console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="joulia-bundle-") as scratch:
        root = Path(scratch) / ROOT
        (root / WHEELS).mkdir(parents=True)
        own = own_wheel(out, root / WHEELS, wheel)
        requirement = f"joulia[{','.join(extras)}]" if extras else "joulia"
        pinned = julia_part(out, root / JULIA) if julia else []
        asked = [f"{own}{requirement.removeprefix('joulia')}", *pinned]
        fetch(out, root / WHEELS, asked, python_version, platforms)
        with tempfile.TemporaryDirectory(prefix="occa-", dir=scratch) as sources:
            tree = occa.download(out, Path(sources))
            with tarfile.open(root / OCCA, "w:gz") as archive:
                archive.add(tree, "occa")
        wanted = python_version or this_python()
        script = SCRIPT.format(python=wanted, wheels=WHEELS, requirement=requirement)
        (root / INSTALL).write_text(script)
        (root / INSTALL).chmod(0o755)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        manifest = {
            "joulia": version(),
            "requirement": requirement,
            "pinned": pinned,
            "python": wanted,
            "platforms": list(platforms) or [sysconfig.get_platform()],
            "files": {str(path.relative_to(root)): digest(path) for path in files},
        }
        (root / MANIFEST).write_text(json.dumps(manifest, indent=2))
        with tarfile.open(output, "w") as archive:
            archive.add(root, ROOT)
    size = output.stat().st_size / 2**20
    out.print(f"bundle: {len(files)} files, {size:.0f} MiB: {output}", markup=False)
    out.print(f"there: tar xf {output.name} && {ROOT}/{INSTALL} FOLDER", markup=False)


def own_wheel(out: Console, folder: Path, wheel: Path | None) -> Path:
    """joulia's own wheel: the one that is named, else built from the source tree it runs from."""
    if wheel is not None:
        try:
            return Path(shutil.copy(wheel, folder))
        except OSError as error:
            raise JouliaError(f"cannot read {wheel}: {error.strerror}") from None
    source = HOLDS_JOULIA.parent
    if not (source / "pyproject.toml").is_file():
        raise Unavailable(
            "joulia does not run from its source tree", "name its wheel: --wheel FILE"
        )
    out.print(f"bundle: building joulia's wheel from {source}", markup=False)
    copy = folder.parent.parent / "source"  # a build leaves traces, and finds those of the last one
    shutil.copytree(source, copy, symlinks=True, ignore=shutil.ignore_patterns(*NOT_BUILT))
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(copy))
    (built,) = folder.glob("joulia-*.whl")
    return built


def julia_part(out: Console, folder: Path) -> list[str]:
    """Gather Julia's project, and require juliacall as that project's PythonCall is.

    Where none is ready here, the bundle goes without, and a line says so.
    """
    (folder / julia_project.PROJECT).mkdir(parents=True)
    try:
        return [f"juliacall=={julia_project.gather(out, folder)['packages']['PythonCall']}"]
    except Unavailable as error:
        shutil.rmtree(folder)
        out.print(f"bundle: without Julia's project: {error}", style="yellow", markup=False)
        return []


def fetch(
    out: Console,
    folder: Path,
    asked: Sequence[str],
    python_version: str | None,
    platforms: Sequence[str],
) -> None:
    """The wheels of all that joulia needs, through pip with the user's own index and proxy."""
    target = ["--python-version", python_version] if python_version else []
    target += [text for name in platforms for text in ("--platform", name)]
    out.print("bundle: fetching the wheels of what it needs", markup=False)
    pip("download", "--only-binary", ":all:", *target, "--dest", str(folder), *asked)


def pip(*arguments: str) -> None:
    """Run pip. Unavailable with its last words where it fails."""
    command = python("-m", "pip", *arguments, "--disable-pip-version-check", "--quiet")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        told = [line for line in lines if "ERROR" in line] or lines or ["no word"]
        raise Unavailable(f"pip {arguments[0]} fails: {told[-1].removeprefix('ERROR: ')}")


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---- on the other side ---------------------------------------------------------------------


def install(given: Path) -> int:
    """Install what a bundle holds into this environment, and prepare all; no network is needed.

    JouliaError in one line where it is no bundle, is damaged, or is for another Python.
    """
    with unpacked(given) as root:
        manifest = checked(root)
        wheels = ["--find-links", str(root / WHEELS)]
        pip("install", "--no-index", *wheels, manifest["requirement"], *manifest.get("pinned", ()))
        brought = {"occa": root / OCCA, "julia": root / JULIA}
        return prepare("all", {part: path for part, path in brought.items() if path.exists()})


@contextlib.contextmanager
def unpacked(given: Path) -> Iterator[Path]:
    """The folder of a bundle: itself, or what its archive holds."""
    if given.is_dir():
        yield given / ROOT if (given / ROOT).is_dir() else given
        return
    with tempfile.TemporaryDirectory(prefix="joulia-bundle-") as scratch:
        try:
            with tarfile.open(given) as archive:
                archive.extractall(scratch, filter="data")
        except (OSError, tarfile.TarError) as error:
            raise JouliaError(f"cannot unpack {given}: {error}. Allowed: a bundle") from None
        yield Path(scratch) / ROOT


def checked(root: Path) -> dict[str, Any]:
    """A bundle's manifest; JouliaError where a file is not as it says, or nothing here fits it."""
    try:
        manifest = json.loads((root / MANIFEST).read_text())
        files, wanted = manifest["files"], manifest["python"]
    except (OSError, ValueError, KeyError):
        raise JouliaError(f"{root} is no bundle. Allowed: what `joulia bundle` wrote") from None
    for name, known in files.items():
        path = root / name
        if not path.is_file() or digest(path) != known:
            raise JouliaError(f"{path} is damaged or missing. Allowed: the bundle as it was made")
    if wanted != (here := this_python()):
        raise JouliaError(
            f"the bundle is for Python {wanted}, this is {here}. Allowed: Python {wanted}, or a "
            f"bundle made with --python {here}"
        )
    found: dict[str, Any] = manifest
    return found
