"""Reports as tests read them: the page's words, and the page in a file."""

from __future__ import annotations

from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

from joulia.records.record import Record
from joulia.report import page


def words(html: str) -> str:
    """The page's text without styles, scripts and pictures."""
    kept: list[str] = []
    depth: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag in ("style", "script", "svg"):
                depth.append(tag)

        def handle_endtag(self, tag: str) -> None:
            if depth and depth[-1] == tag:
                depth.pop()

        def handle_data(self, data: str) -> None:
            if not depth:
                kept.append(data)

    Reader().feed(html)
    return " ".join(" ".join(kept).split())


def written(folder: Path, records: Sequence[Record]) -> Path:
    """The report of some records, as a file."""
    path = folder / "report.html"
    page.write(path, page.build(records))
    return path
