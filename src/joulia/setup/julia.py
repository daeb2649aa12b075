"""Julia and its packages: a site's own, what a bundle brings, or what juliapkg resolves."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path

from rich.console import Console

from joulia.bridges import _julia_cuda
from joulia.bridges import julia as julia_bridge
from joulia.errors import Unavailable
from joulia.setup import julia_project
from joulia.system import cuda
from joulia.system.interpreter import python

CUDA_JL = f"uuid='{_julia_cuda.UUID}', version='{_julia_cuda.VERSIONS}'"
"""CUDA.jl, as juliapkg takes it."""


def prepare(out: Console, source: Path | None) -> None:
    """A site's Julia (both of juliacall's variables), else what juliapkg finds or installs.

    With a bundle's project as `source`, that one, and nothing is asked of a network. CUDA.jl is
    added where there is a GPU, and to a project of juliapkg's only.
    """
    gpu = cuda.missing() is None
    if source is not None and not os.environ.get(julia_bridge.PROJECT):
        julia_project.install(out, source)
    elif named := julia_bridge.site():
        out.print(f"julia: using {named[0]} with the project {named[1]}", markup=False)
        if gpu and not _julia_cuda.in_project(Path(named[1])):
            out.print("julia: for julia:cuda, add CUDA to that project", markup=False)
        return
    with contextlib.suppress(Unavailable):
        exe, project = julia_bridge.find()
        whole = not gpu or _julia_cuda.in_project(Path(project))
        if not whole and "depot" in julia_bridge.noted():
            out.print(
                "julia: for julia:cuda, make the bundle with a project that has CUDA", markup=False
            )
            whole = True
        if whole:
            out.print(f"julia: found {exe}", markup=False)
            return
    out.print("julia: resolving Julia and its packages (juliapkg)", markup=False)
    noted = None
    if gpu:
        out.print(f"julia: with CUDA.jl for {cuda.current().name}", markup=False)
        try:
            noted = resolve(f"juliapkg.add('CUDA', {CUDA_JL}); ")
        except Unavailable as error:
            out.print(f"julia: without CUDA.jl: {error.reason}", style="yellow", markup=False)
    julia_bridge.prepared().write_text(json.dumps(noted or resolve("juliapkg.rm('CUDA'); ")))


def resolve(change: str) -> dict[str, str]:
    """Resolve joulia's project with juliapkg after a change; its Julia and its folder.

    juliapkg keeps what it resolved in its state, so that it gets a process of its own.
    """
    script = (
        f"import json, juliapkg; {change}juliapkg.resolve(); "
        "print(json.dumps({'exe': juliapkg.executable(), 'project': juliapkg.project()}))"
    )
    done = subprocess.run(python("-c", script), capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise Unavailable(
            f"Julia cannot be resolved: {lines[-1].strip() if lines else 'juliapkg failed'}",
            "install Julia 1.10.3 or newer where there is a network, or set "
            f"{julia_bridge.EXE} and {julia_bridge.PROJECT} to a site's own",
        )
    noted: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return noted
