"""Julia's project in a bundle: its packages and their artifacts, found by path; no registry."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from joulia.bridges import julia as julia_bridge
from joulia.case import digest
from joulia.errors import Unavailable
from joulia.system.interpreter import python
from joulia.system.places import cache_dir

SCRIPT = Path(__file__).with_suffix(".jl")
PROJECT, PACKAGES, DEPOT, FACTS = "project", "packages", "depot", "facts.json"
ARTIFACTS = "artifacts"
PREFERENCES = ("JuliaLocalPreferences.toml", "LocalPreferences.toml")
JULIA_NAMES = {"ppc64le": "powerpc64le", "arm64": "aarch64"}
TELL = """
print(VERSION.major, '.', VERSION.minor, ' ', VERSION, ' ', joinpath(Sys.BINDIR, "julia"))
"""
"""A launcher on PATH (juliaup's) is not the program, beside which Julia's own packages lie."""
START = """
from joulia.bridges import julia
from joulia.setup.doctor import smallest
julia.start(smallest(("julia", "cpu")))
"""
"""Starts Julia as a case does: what is compiled by other options would be compiled again."""


# ---- where the bundle is made --------------------------------------------------------------


def gather(out: Console, folder: Path) -> dict[str, Any]:
    """Put the project of the Julia that is ready here into `folder`; what is known of it.

    Of its manifest every package that does not lie with Julia itself, but joulia's own; all of
    their artifacts that are in the depots. Unavailable where there is none, or it is not whole.
    """
    named = julia_bridge.environment()
    exe, project = named[julia_bridge.EXE], named[julia_bridge.PROJECT]
    own = tomllib.loads((julia_bridge.PACKAGE / "Project.toml").read_text())["uuid"]
    out.print(f"bundle: gathering Julia's project {project}", markup=False)
    command = [exe, "--startup-file=no", f"--project={project}", str(SCRIPT)]
    env = {"JULIA_PKG_OFFLINE": "true", "JULIA_LOAD_PATH": "@:@stdlib"}
    done = run([*command, str(folder / PROJECT), f"../{PACKAGES}", own], named | env)
    if done.returncode:
        raise Unavailable(f"{exe} cannot tell the packages of {project}: {error_in(done.stderr)}")
    told = tomllib.loads(done.stdout)
    for name in PREFERENCES:
        if (Path(project) / name).is_file():
            shutil.copy(Path(project) / name, folder / PROJECT)
    depots = [Path(depot) for depot in told["depots"]]
    trees = {
        tree
        for package in told["packages"].values()
        for tree in carry(package, depots, folder, project)
    }
    versions = {one["name"]: one["version"] for one in told["packages"].values()}
    if "PythonCall" not in versions:
        raise Unavailable(f"{project} has no PythonCall", "add it in the version of juliacall")
    facts = {
        "julia": told["julia"],
        "machine": told["machine"],
        "artifacts": len(trees),
        "packages": versions,
        "contents": contents(folder),
    }
    (folder / FACTS).write_text(json.dumps(facts, indent=2))
    out.print(
        f"bundle: Julia {told['julia']}'s project: {len(told['packages'])} packages, "
        f"{len(trees)} artifacts" + (f" for {told['machine']}" if trees else ""),
        markup=False,
    )
    return facts


def carry(package: dict[str, Any], depots: list[Path], folder: Path, project: str) -> set[str]:
    """Copy a package and its artifacts that are in a depot; the tree hashes of those."""
    source, what = Path(package["source"]), f"{package['name']} {package['version']}"
    install_them = "in that project, call Pkg.instantiate()"
    if not package["source"] or not source.is_dir():
        raise Unavailable(f"{what} of {project} is not installed", install_them)
    copy(source, folder / PACKAGES / package["to"])
    held = set()
    for tree in {*artifacts(source), *package["needed"]}:
        stored = [path for depot in depots if (path := depot / ARTIFACTS / tree).is_dir()]
        if stored:
            held.add(tree)
            target = folder / DEPOT / ARTIFACTS / tree
            if not target.exists():  # several packages may share one
                copy(stored[0], target)
        elif tree in package["needed"]:
            raise Unavailable(f"the artifact {tree} of {what} is in no depot", install_them)
    return held


def artifacts(package: Path) -> Iterator[str]:
    """The tree hashes of all artifacts that a package names, for whichever platform."""
    for name in ("JuliaArtifacts.toml", "Artifacts.toml"):
        file = package / name
        if not file.is_file():
            continue
        for entries in tomllib.loads(file.read_text()).values():
            for entry in entries if isinstance(entries, list) else [entries]:
                yield entry["git-tree-sha1"]
        return


def copy(source: Path, target: Path) -> None:
    """A folder with its links, writable for its owner; Unavailable where a link leads out of it."""
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    for path in (target, *target.rglob("*")):
        if path.is_symlink():
            to = Path(os.path.normpath(path.parent / path.readlink()))
            if path.readlink().is_absolute() or not to.is_relative_to(target):
                raise Unavailable(f"{source}: the link {path.relative_to(target)} leads out of it")
        elif path.is_dir():
            path.chmod(path.stat().st_mode | 0o700)


def contents(folder: Path) -> str:
    """What names all files of a folder with what is in them."""
    return digest(
        *(
            f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}"
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        )
    )


# ---- on the other side ---------------------------------------------------------------------


def install(out: Console, source: Path) -> None:
    """Put a bundle's project into joulia's cache folder, compile it, and note it for all cases.

    It is for the Julia that PYTHON_JULIACALL_EXE names, else the one on PATH. Unavailable where
    there is none or it is another one, and where the project does not start.
    """
    facts = json.loads((source / FACTS).read_text())
    given, exe = here(facts)
    target = cache_dir() / f"julia-{facts['contents']}"
    if not target.is_dir():
        # Copied aside and moved into place whole: an interrupted copy leaves nothing half done.
        with tempfile.TemporaryDirectory(prefix="julia-", dir=cache_dir()) as scratch:
            shutil.copytree(source, Path(scratch) / "whole", symlinks=True)
            (Path(scratch) / "whole" / DEPOT).mkdir(exist_ok=True)
            (Path(scratch) / "whole").rename(target)
    noted = {
        "exe": exe,
        "given": given,
        "project": str(target / PROJECT),
        "depot": str(target / DEPOT),
    }
    out.print(f"julia: compiling the bundle's project for {exe}, a minute or more", markup=False)
    start(noted)
    julia_bridge.prepared().write_text(json.dumps(noted))


def here(facts: dict[str, Any]) -> tuple[str, str]:
    """This machine's Julia as it is called here, and the program that this starts.

    Unavailable where it is none that the project is for.
    """
    wanted = facts["julia"]
    named = os.environ.get(julia_bridge.EXE) or "julia"
    found = shutil.which(named)
    if found is None:
        raise Unavailable(
            f"the bundle has a project for Julia {wanted}, and there is no {named} here",
            f"put Julia {wanted} on PATH or into {julia_bridge.EXE}, then prepare again",
        )
    given = str(Path(found).absolute())
    done = run([given, "--startup-file=no", "-e", TELL], {})
    if done.returncode or done.stdout.count(" ") < 2:
        raise Unavailable(f"{given} tells no version: {error_in(done.stderr)}")
    minor, version, exe = done.stdout.strip().split(" ", 2)
    if minor != wanted:
        raise Unavailable(
            f"the bundle has a project for Julia {wanted}, and {given} is Julia {version}",
            f"put Julia {wanted} on PATH or into {julia_bridge.EXE}, or make the bundle with the "
            "Julia that is here",
        )
    machine = machine_of_julia()
    if facts["artifacts"] and facts["machine"] != machine:
        raise Unavailable(
            f"the bundle has artifacts of Julia's packages for {facts['machine']}, this is "
            f"{machine}",
            f"make the bundle on {machine}",
        )
    return given, exe


def machine_of_julia() -> str:
    """This machine as Julia names it: Linux-x86_64."""
    arch = platform.machine()
    return f"{platform.system()}-{JULIA_NAMES.get(arch, arch)}"


def start(noted: dict[str, str]) -> None:
    """Start Julia with a project, once: it compiles what is not compiled. Unavailable if not."""
    env = {
        julia_bridge.EXE: noted["exe"],
        julia_bridge.PROJECT: noted["project"],
        julia_bridge.DEPOTS: julia_bridge.depots(noted["depot"]),
        "JULIA_PKG_OFFLINE": "true",
    }
    done = run(python("-c", START), env)
    if done.returncode:
        raise Unavailable(
            f"the bundle's project does not start with {noted['exe']}: {error_in(done.stderr)}"
        )


# ---- both ----------------------------------------------------------------------------------


def run(command: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=os.environ | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def error_in(text: str) -> str:
    """The line of what a program said that tells why it ended: Julia's error, else the last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("ERROR")), (lines or ["no word"])[-1])
