"""A report as a program reads it: its words by section, and its table of all figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

UNSEEN = ("style", "script")
TOLD = ("title", "aria-label", "alt")
"""Attributes that people are told."""


@dataclass
class PageText:
    """What a page says, tooltips and charts' labels included."""

    words: list[tuple[str, str]] = field(default_factory=list)
    """(section, text), in the order of the page."""
    table: list[list[str]] = field(default_factory=list)
    """The table of all figures, its heads first; empty where the page has none."""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = PageText()
        self.section = "head"
        self.unseen = self.in_table = self.in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "section":
            self.section = given.get("id") or self.section
        self.unseen = tag in UNSEEN
        self.in_table = self.in_table or (tag == "table" and given.get("id") == "all")
        if self.in_table and tag == "tr":
            self.page.table.append([])
        begins = tag in ("td", "th")
        self.in_cell = self.in_cell or begins
        if self.in_table and begins and self.page.table:
            self.page.table[-1].append("")
        self.say(" ".join(given[name] or "" for name in TOLD if name in given))

    def handle_endtag(self, tag: str) -> None:
        self.unseen = False
        self.in_table = self.in_table and tag != "table"
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.unseen:
            return
        self.say(data)
        if self.in_table and self.in_cell and self.page.table and self.page.table[-1]:
            self.page.table[-1][-1] += data

    def say(self, text: str) -> None:
        if text := " ".join(text.split()):
            self.page.words.append((self.section, text))


def read(html: str) -> PageText:
    """The text of a report; of what is no report, whatever it says."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.page
