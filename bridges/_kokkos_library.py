"""Kokkos: where it is, which version, and what it was built for."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from joulia.errors import Unavailable
from joulia.system.places import cache_dir

VERSION_BUILT = "3.4.1"
"""What `joulia prepare kokkos` builds."""
ROOT = "Kokkos_ROOT"
"""The variable that names a site's, as CMake has it."""
OLDEST = 30400
"""The first version that the sources compile with."""
SPACES = {"serial": "Serial", "openmp": "OpenMP", "cuda": "Cuda"}


@dataclass(frozen=True)
class Kokkos:
    """An installed Kokkos."""

    include: Path
    library: Path
    number: int
    """As Kokkos has it: 30401 is 3.4.1."""
    enabled: frozenset[str]
    """The devices that it was built for."""

    @property
    def version(self) -> str:
        return f"{self.number // 10000}.{self.number // 100 % 100}.{self.number % 100}"

    @property
    def standard(self) -> str:
        """The C++ that its headers need."""
        return "c++20" if self.number >= 50000 else "c++17"

    def state(self) -> str:
        """Tells builds of it apart."""
        file = self.library.stat()
        return f"{self.version}, {self.library}, {file.st_size} B, {file.st_mtime:.0f}"


def own_prefix() -> Path:
    """Where `joulia prepare kokkos` puts the Kokkos that it builds."""
    return cache_dir() / f"kokkos-{VERSION_BUILT}"


def find() -> Kokkos:
    """The Kokkos of Kokkos_ROOT, else joulia's own; Unavailable where there is none that fits."""
    site = os.environ.get(ROOT)
    if site is None and not own_prefix().is_dir():
        raise Unavailable("no Kokkos found", "run `joulia prepare kokkos`, or set Kokkos_ROOT")
    return at(Path(site) if site else own_prefix())


def at(prefix: Path) -> Kokkos:
    """What is installed there; Unavailable where it is no Kokkos, or too old."""
    remedy = "correct or unset Kokkos_ROOT"
    header = prefix / "include" / "KokkosCore_config.h"
    libraries = [
        path
        for folder in ("lib", "lib64")
        for ending in ("so", "a", "dylib")
        if (path := prefix / folder / f"libkokkoscore.{ending}").is_file()
    ]
    if not header.is_file() or not libraries:
        raise Unavailable(f"no Kokkos is installed in {prefix}", remedy)
    text = header.read_text(errors="replace")
    version = re.search(r"#define KOKKOS_VERSION (\d+)", text)
    if version is None or int(version[1]) < OLDEST:
        told = version[1] if version else "that it does not tell"
        raise Unavailable(f"the Kokkos in {prefix} has a version below 3.4 ({told})", remedy)
    enabled = {
        device for device in SPACES if re.search(rf"#define KOKKOS_ENABLE_{device.upper()}\b", text)
    }
    return Kokkos(header.parent, libraries[0], int(version[1]), frozenset(enabled))
