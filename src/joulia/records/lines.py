"""Lines of code of a source: no comments, docstrings or blanks; of helpers, the kernel's share.

Pygments says what is a comment in every language here, and what of it the compiler obeys. Programs
that count with it (pygount) take a bracket of its own line for blank, but Julia's `end` for code.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from joulia import registry
from joulia.case import Case, digest
from joulia.records import software
from joulia.records.parts import SourceLines
from joulia.system.places import cache_dir

LANGUAGES = {
    ".py": "python",
    ".jl": "julia",
    **dict.fromkeys((".okl", ".c", ".h", ".cpp", ".hpp", ".cu", ".cuh"), "cpp"),
    **dict.fromkeys((".f90", ".F90", ".inc"), "fortran"),
}
"""Pygments' name of each language, by how its files end; OKL is C++ with attributes."""
DIRECTIVE = "!$"
"""How comments begin that a Fortran compiler obeys: OpenMP's and OpenACC's."""
INCLUDE = re.compile(r"""^\s*(?:#\s*include\s*[<"]|include\s*\(?\s*["'])([^">']+)""", re.MULTILINE)
"""An `include` of C, Julia or Fortran."""
USING = re.compile(r"^(?:using|import)\s+\.\.JouliaKernels:(.*(?:,\s*\n.*)*)", re.MULTILINE)
JULIA = software.HOME / "JouliaKernels" / "src"
SHARED = {"joulia.kernels": software.HOME / "kernels", "joulia.bridges": software.HOME / "bridges"}
"""Packages of which sources import parts, and their folders."""


def of(case: Case) -> SourceLines | None:
    """The lines of what a case runs; None where there is no source, or it cannot be counted."""
    source = registry.source(case.kernel, case.bridge, case.device, case.variant)
    return of_source(source.path) if source else None


@cache
def of_source(path: Path) -> SourceLines | None:
    """The lines of a source and of its helpers, each over the number of kernels that use it."""
    if path.suffix not in LANGUAGES:
        return None
    try:
        shares = {
            file.name: counted(file) / max(1, _kernels_using()[file]) for file in helpers(path)
        }
        own = counted(path)
    except (OSError, UnicodeDecodeError, SyntaxError):  # a plug-in's, which does not run either
        return None
    finally:
        _counts().keep()
    return SourceLines(path.name, own, shares, f"pygments {software.installed('pygments')}")


@cache
def counted(path: Path) -> int:
    """Lines with anything but comments, docstrings and blanks."""
    text, language = path.read_text(encoding="utf-8"), LANGUAGES[path.suffix]
    return _counts().of(digest(text, language), lambda: _count(text, language))


@dataclass
class Counts:
    """Counts by the digest of what was counted, in a file that spares counting them again."""

    path: Path
    known: dict[str, int]
    new: bool = False

    def of(self, key: str, count: Callable[[], int]) -> int:
        if key not in self.known:
            self.known[key] = count()
            self.new = True
        return self.known[key]

    def keep(self) -> None:
        """Write what is new; where nothing can be written it is counted again next time."""
        if not self.new:
            return
        self.new = False
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            whole = self.path.with_suffix(f".{os.getpid()}")
            whole.write_text(json.dumps(self.known))
            whole.replace(self.path)


@cache
def _counts() -> Counts:
    """The counts of this way of counting: of this module, and this version of Pygments."""
    way = digest(Path(__file__).read_text(encoding="utf-8"), software.installed("pygments"))
    path = cache_dir() / "lines" / f"{way}.json"
    try:
        known = json.loads(path.read_text())
        return Counts(path, {str(key): int(count) for key, count in known.items()})
    except (OSError, ValueError, TypeError, AttributeError):
        return Counts(path, {})


def _count(text: str, language: str) -> int:
    from pygments.lexers import get_lexer_by_name
    from pygments.token import Comment, String

    # Pygments does not tell Julia's docstrings from other strings: they have lines of their own.
    docstring = String if language == "julia" else String.Doc
    line, code = 0, set()
    lexer = get_lexer_by_name(language, stripnl=False)
    for kind, token in lexer.get_tokens(text):
        obeyed = kind in Comment.Preproc or kind in Comment.PreprocFile
        obeyed = obeyed or token.startswith(DIRECTIVE)
        if kind not in docstring and (kind not in Comment or obeyed):
            code |= {line + i for i, part in enumerate(token.split("\n")) if part.strip()}
        line += token.count("\n")
    return len(code)


def helpers(path: Path) -> frozenset[Path]:
    """The files of joulia's or a plug-in's that a source includes or imports, directly or not.

    Not what the kernel's declaration is made of, such as its initial states: that is one for all
    languages.
    """
    return _reached(path) - _reached(path.parent / "__init__.py")


@cache
def _reached(path: Path) -> frozenset[Path]:
    reached: set[Path] = set()
    new = {path}
    while new:
        reached |= new
        new = {file for known in new for file in _references(known)} - reached
    return frozenset(reached - {path})


def _references(path: Path) -> Iterable[Path]:
    """What one file includes or imports itself."""
    if path.parent == JULIA:  # a part of a package, whose other parts come by name
        return ()
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return _imported(text)
    named = ",".join(USING.findall(text)) if path.suffix == ".jl" else ""
    return [*_included(path, INCLUDE.findall(text)), *_defining(re.findall(r"[\w!]+", named))]


def _imported(text: str) -> list[Path]:
    """The modules that a Python source imports from kernels' folders, and parts of bridges."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    packages = SHARED | {entry.package: entry.folder for entry in registry.kernels().values()}
    files = {
        folder / (name.removeprefix(f"{package}.").replace(".", "/") + ".py")
        for name in names
        for package, folder in packages.items()
        if name.startswith(f"{package}.") and not _is_bridge(name)
    }
    return [file for file in sorted(files) if file.is_file()]


def _is_bridge(name: str) -> bool:
    """Whether a module is how Python reaches a runtime, which no source is written with."""
    return re.match(r"joulia\.bridges\.[^_]", name) is not None


def _included(path: Path, names: Iterable[str]) -> list[Path]:
    """The files of these names beside a source, or where joulia's compilers look for them."""
    folders = (path.parent, *SHARED.values())
    places = [[folder / name for folder in folders if (folder / name).is_file()] for name in names]
    return [files[0] for files in places if files]


@cache
def _julia_parts() -> dict[Path, str]:
    return {file: file.read_text(encoding="utf-8") for file in sorted(JULIA.glob("*.jl"))}


def _defining(names: Iterable[str]) -> list[Path]:
    """The parts of the package JouliaKernels that define any of these names."""
    beginnings = [rf"^(?:@\w+ )*(?:function |struct |const )?{re.escape(n)}\b" for n in names]
    definition = re.compile("|".join(beginnings) or "(?!)", re.MULTILINE)
    return [file for file, text in _julia_parts().items() if definition.search(text)]


@cache
def _kernels_using() -> Counter[Path]:
    """How many kernels use a helper, in whichever of their sources."""
    users: Counter[Path] = Counter()
    for name, entry in registry.kernels().items():
        sources = [p for p in entry.folder.glob(f"{name}*.*") if p.suffix in LANGUAGES]
        users.update(frozenset().union(*map(helpers, sources)))
    return users
