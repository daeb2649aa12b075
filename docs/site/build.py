"""The site: this checkout's pages in the tree that their links name, built by Sphinx.

`python docs/site/build.py OUTPUT [--asv ASV_HTML] [--links]`. A warning (a link inside the site
that leads nowhere, a page that no other names) fails the build. Needs `pip install 'joulia[docs]'`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "docs" / "site"
RECORDS = HERE / "records.jsonl"
PAGES = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "docs/*.md",
    "docs/*.png",
    "docs/*.ipynb",
    "kernels/*.py",
    "kernels/*/README.md",
    "kernels/*/*.png",
    "plugins/*/*.md",
    "plugins/*/*.png",
    "plugins/*/*.yaml",
)
"""What the site takes from the checkout, at the same place, so that links between pages hold."""


def lay_out(source: Path, asv: Path | None) -> None:
    """The tree that Sphinx reads: the checkout's pages, the site's own, the report, asv's pages."""
    for pattern in PAGES:
        for path in ROOT.glob(pattern):
            copy(path, source / path.relative_to(ROOT))
    for path in (HERE / "pages").rglob("*.md"):
        copy(path, source / path.relative_to(HERE / "pages"))
    shutil.copy(HERE / "conf.py", source)
    shutil.copytree(HERE / "static", source / "static")
    front = (ROOT / "README.md").read_text(encoding="utf-8")
    contents = (HERE / "contents.md").read_text(encoding="utf-8")
    (source / "index.md").write_text(f"{front}\n{contents}", encoding="utf-8")
    extra = source / "extra"
    extra.mkdir()
    write_report(extra / "heat-and-tracer.html")
    published = "These pages are not part of this copy of the site: it was built without results."
    if asv is not None:
        shutil.copytree(asv, extra / "asv")
        published = '<a href="asv/index.html">The series of this suite, over commits</a>'
    page = source / "series.md"
    page.write_text(page.read_text(encoding="utf-8").replace("ASV_PAGES", published))


def copy(path: Path, target: Path) -> None:
    """A file of the checkout; where a page links to the README, it links to the front page."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix != ".md":
        shutil.copy(path, target)
        return
    up = "../" * (len(path.relative_to(ROOT).parts) - 1)
    text = path.read_text(encoding="utf-8")
    target.write_text(text.replace(f"]({up}README.md", f"]({up}index.md"), encoding="utf-8")


def write_report(path: Path) -> None:
    """The report of the records that are kept beside this file, as of when they were measured."""
    from joulia.analysis.files import load_all
    from joulia.report import page

    page.write(path, page.build(load_all([RECORDS]), archived=True))


def build(output: Path, asv: Path | None = None, links: bool = False) -> int:
    """The site in a folder, which is emptied first; Sphinx's exit code, 0 without a warning."""
    source = output.with_name(f"{output.name}-source")
    for folder in (source, output):
        shutil.rmtree(folder, ignore_errors=True)
    source.mkdir(parents=True)
    lay_out(source, asv)
    code = sphinx(source, output, "html")
    return code or (sphinx(source, source / ".links", "linkcheck") if links else 0)


def sphinx(source: Path, output: Path, builder: str) -> int:
    """Run one of Sphinx's builders on a tree that holds its settings; its exit code."""
    from sphinx.cmd.build import build_main

    options = ["--quiet", "--fail-on-warning", "--doctree-dir", str(source / ".doctrees")]
    return build_main([*options, "--builder", builder, str(source), str(output)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="the folder of the pages; what it held is gone")
    parser.add_argument("--asv", type=Path, help="what `asv publish` wrote, to be part of the site")
    parser.add_argument("--links", action="store_true", help="also ask every other site")
    given = parser.parse_args()
    if given.asv is not None and not (given.asv / "index.html").is_file():
        parser.error(f"{given.asv} has no index.html. Allowed: a folder that `asv publish` wrote")
    return build(given.output.resolve(), given.asv, given.links)


if __name__ == "__main__":
    sys.exit(main())
