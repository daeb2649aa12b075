"""The site: built without a warning, whole without a network, read in a real browser."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HERE = ROOT / "docs" / "site"
if not HERE.is_dir():
    pytest.skip("docs/ is in the source tree only", allow_module_level=True)
for _needed in ("sphinx", "myst_parser", "furo"):
    if importlib.util.find_spec(_needed) is None:
        pytest.skip(f"{_needed} is not installed (joulia[docs])", allow_module_level=True)

NARROW = (
    "index.html",
    "report.html",
    "docs/record.html",
    "docs/comparison.html",
    "api/joulia.html",
)
"""Pages that are looked at as on a phone: the widest tables, code and the report among them."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, with pages that stand for asv's."""
    folder = tmp_path_factory.mktemp("site")
    asv = folder / "asv"
    asv.mkdir()
    (asv / "index.html").write_text("<title>series</title>")
    done = subprocess.run(
        [sys.executable, HERE / "build.py", folder / "html", "--asv", asv],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def address(site):
    """The site as a server on this machine gives it out."""

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    class Patient(http.server.ThreadingHTTPServer):
        def handle_error(self, *_):
            """A browser that goes on to the next page closes the connections of this one."""

    with Patient(("127.0.0.1", 0), functools.partial(Silent, directory=site)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_every_page_of_the_documentation_is_on_the_site(site):
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "kernels").glob("*/README.md")]
    assert len(pages) > 25
    for page in pages:
        assert (site / page.relative_to(ROOT)).with_suffix(".html").is_file(), page
    assert "joulia.Results" in (site / "api/joulia.html").read_text()
    assert "update_period_s" in (site / "api/records.html").read_text()
    assert (site / "asv/index.html").is_file()
    assert 'href="asv/index.html"' in (site / "series.html").read_text()


def test_the_report_is_of_the_records_that_are_kept(site):
    report = (site / "heat-and-tracer.html").read_text()
    assert 'src="heat-and-tracer.html"' in (site / "report.html").read_text()
    records = [json.loads(line) for line in (HERE / "records.jsonl").read_text().splitlines()]
    valid = [record for record in records if record["status"] == "valid"]
    assert f"{len(valid)} cases valid" in report
    quickest = min(
        record["time"]["median"]
        for record in valid
        if record["case"]["kernel"] == "heat" and record["case"]["bridge"] == "c++"
    )
    assert f"{1e3 * quickest:.2f} ms" in report
    (commit,) = {record["commit"] for record in records}
    assert commit[:12] in (site / "report.html").read_text()


def test_a_link_that_leads_nowhere_fails_the_build(tmp_path):
    shutil.copy(HERE / "conf.py", tmp_path)
    for folder in ("static", "extra"):
        (tmp_path / folder).mkdir()
    for name in ("site.css", "favicon.svg"):
        shutil.copy(HERE / "static" / name, tmp_path / "static")
    (tmp_path / "index.md").write_text("# A page\n\n[there](docs/nowhere.md)\n")
    script = (
        f"import sys; sys.path.insert(0, {str(HERE)!r}); import build; from pathlib import Path\n"
        "here = Path(sys.argv[1]); sys.exit(build.sphinx(here, here / 'html', 'html'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert "nowhere.md" in done.stderr


def test_what_is_no_folder_of_asv_is_refused_before_anything_is_built(tmp_path):
    command = [sys.executable, HERE / "build.py", tmp_path / "html", "--asv", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "has no index.html. Allowed: a folder that `asv publish` wrote" in done.stderr
    assert not (tmp_path / "html").exists()


def test_pages_and_search_in_a_browser_without_a_network(address, chromium):
    asked = []
    chromium.size(390, 844, mobile=True)
    for page in NARROW:
        chromium.open(f"{address}/{page}")
        asked += chromium.requests
        assert chromium.problems == [], page
        assert chromium.ask("document.documentElement.scrollWidth <= innerWidth"), page
        assert chromium.ask("parseFloat(getComputedStyle(document.body).fontSize)") >= 14.0
        assert chromium.ask("document.querySelector('article h1').innerText.length") > 3
    chromium.open(f"{address}/report.html")
    inside = "document.querySelector('iframe.report').contentDocument"
    assert chromium.ask(f"{inside}.querySelectorAll('svg').length") >= 3
    chromium.size(1280, 900)
    chromium.open(f"{address}/search.html?q=POWER9")
    found = (
        "new Promise(done => { const look = n => { const links = "
        "[...document.querySelectorAll('#search-results li a')].map(a => a.getAttribute('href'));"
        "links.length || !n ? done(links.join(' ')) : setTimeout(look, 50, n - 1); }; look(200); })"
    )
    assert re.search(r"docs/(meters|gpu)\.html", chromium.ask(found))
    asked += chromium.requests
    assert len(asked) > 20
    assert [url for url in asked if not url.startswith((address, "data:"))] == []
