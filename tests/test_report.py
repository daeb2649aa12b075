"""The report: what it says in words, and that a real browser shows it without a network."""

from __future__ import annotations

import re
import time

import pytest

from joulia.analysis import advice
from joulia.analysis.compare import comparisons
from joulia.report import page
from joulia.report.axes import linear_axis, log_axis

from .pages import words, written
from .results import NOISE, many, noisy, record, write

FULL = [
    record("occa:openmp", 0.05, kernel="stream", size="medium", energy=5.0, threads=2),
    record("numpy", 8e-3, energy=0.40, fraction=0.06, startup=0.1),
    record("numba", 1.2e-3, energy=0.12, fraction=0.8, threads=2, startup=2.0),
    record("numba", 2.2e-3, energy=0.15, fraction=0.7, startup=2.0),
    record("julia", 1.21e-3, energy=0.10, fraction=0.8, threads=2, startup=9.0),
    record("occa:serial", None, status="failed", reason="killed by SIGSEGV"),
    record("occa:cuda", None, status="skipped", reason="OCCA was built without CUDA <&>"),
]
MODELLED = [
    record("numpy", 8e-3, estimate=(0.1, 0.3, 0.9)),
    record("numba", 1.2e-3, estimate=(0.02, 0.05, 0.2)),
]


# ---- words -------------------------------------------------------------------------------------


def test_the_advice_names_what_cannot_be_told_apart():
    (advised,) = [advice.advise(p) for p in advice.main_problems(comparisons(FULL))]
    assert advised.best.label == "numba 1 x 2"
    assert [e.label for e in advised.rivals] == ["julia 1 x 2"]
    assert advised.lines[0].startswith("Choose numba 1 x 2 or julia 1 x 2: the measurements cannot")
    text = " ".join(advised.lines)
    assert "80% of the bound: 6.67 times as fast as numpy (95 % interval 6." in text
    assert "julia 1 x 2 uses the least energy measured, 100 mJ a step, 1.20 times less" in text
    assert "fewer than about 280 steps, numpy is done sooner" in text  # 1.9 s / 6.8 ms
    assert not advised.doubts


def test_the_advice_is_clear_where_the_measurement_is():
    (advised,) = [advice.advise(p) for p in advice.main_problems(comparisons(FULL[:4]))]
    assert advised.lines[0] == "Choose numba 1 x 2: every other backend is clearly slower."


def test_noise_is_told_as_a_doubt():
    wild = noisy(1e-3, [1 + 40 * (n - 1) for n in NOISE])
    (advised,) = [
        advice.advise(p) for p in advice.main_problems(comparisons([record("numba", wild)]))
    ]
    assert advised.lines[0].startswith("Only numba was measured")
    assert advised.doubts == ("numba: noisy, ±14%",)


def test_the_page_says_what_was_not_measured_and_how_to_repeat_it():
    text = words(page.build(FULL))
    assert "Without a figure: occa:serial (1 failed), occa:cuda (1 skipped); why" in text
    assert "failed (1): killed by SIGSEGV. heat; occa:serial" in text
    assert text.count("OCCA was built without CUDA <&>") == 1
    assert "joulia run heat -b numpy -b numba -b julia -b occa:serial -b occa:cuda" in text
    assert "--size small --dtype float64 --ranks 1 --threads 1,2 --window 0.5 --repeats 9" in text
    assert "0123456789abcdef" in text
    assert "alpha: made up, 4 cores" in text


def test_what_users_may_write_is_escaped():
    html = page.build([record("numba", None, status="failed", reason="<script>alert(1)</script>")])
    assert "<script>alert" not in html


def test_modelled_energy_is_apart_from_measured_energy_and_marked():
    html = page.build(MODELLED)
    text = words(html)
    assert "No joules: no meter on this machine." in text
    assert "≈ Modelled energy against time" in text
    assert 'data-plot="energy-time"' not in html
    assert 'data-plot="energy"' not in html
    assert 'data-plot="energy-time-model"' in html


@pytest.mark.parametrize(
    ("records", "sentence"),
    [
        ([record("julia", None, status="skipped", reason="no Julia")], "Why: skipped, no Julia."),
        ([record("numba", 1e-3)], "Only numba was measured"),
        ([record("numba", 1e-3, kernel="stream")], "Only the bandwidth ceiling (stream) was"),
        ([record("numpy", [1.0, 1.1]), record("numba", [0.1])], "too few repeats"),
        ([record("numba", 1e-3), record("numba", 1e-3, host="beta")], "Performance portability"),
    ],
    ids=["only skipped", "one backend", "only stream", "few repeats", "two machines"],
)
def test_every_kind_of_file_gives_a_useful_page(records, sentence):
    assert sentence in words(page.build(records))


def test_ten_thousand_records_in_less_than_ten_seconds_and_ten_megabytes():
    records = many(10_000)
    began = time.process_time()
    html = page.build(records)
    assert time.process_time() - began < 10.0
    assert len(html.encode()) < 10_000_000
    assert html.count("<tr>") > 10_000


def test_the_command(joulia, tmp_path):
    results = write(tmp_path / "r.jsonl", FULL)
    done = joulia("report", results, "-o", tmp_path / "new" / "page.html")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new" / "page.html").read_text().startswith("<!doctype html>")
    (tmp_path / "empty").write_text("")
    refused = joulia("report", tmp_path / "empty", "-o", tmp_path / "page.html")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "page.html").exists()


# ---- axes and colours --------------------------------------------------------------------------


@pytest.mark.parametrize("values", [[1.0], [1e-9, 1e3], [3.0, 5.0], [1e-3, 2e-1], []])
def test_axes_have_ticks_within_and_keep_the_order(values):
    axis = log_axis(values, 0.0, 100.0, "s")
    assert 1 <= len(axis.ticks) <= 12
    places = [axis.at(v) for v, _ in axis.ticks]
    assert places == sorted(places)
    assert all(0.0 <= p <= 100.0 for p in places)
    assert len({text for _, text in axis.ticks}) == len(axis.ticks)


def test_the_middle_of_a_logarithmic_axis_is_the_geometric_mean():
    axis = log_axis([1.0, 100.0], 0.0, 1.0)
    assert axis.at(10.0) == pytest.approx(0.5)
    assert linear_axis(7.3, 0.0, 1.0).at(0.0) == 0.0


def luminance(colour):
    digits = colour.lstrip("#")
    digits = "".join(c * 2 for c in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_have_the_contrast_that_wcag_asks_for_in_light_and_dark():
    style = page.text("style.css")
    blocks = re.findall(r"^(?:@media.*?)?:root[^{]*\{(--bg.*?)\}", style, re.DOTALL | re.MULTILINE)
    light, dark = (dict(re.findall(r"--(\w+):(#\w+)", block)) for block in blocks[:2])
    assert light["bg"] != dark["bg"]
    for theme in (light, dark):
        for name in ("fg", "quiet", "link", "ok", "bad", "warn"):
            assert contrast(theme[name], theme["bg"]) >= 4.5, name
            assert contrast(theme[name], theme["soft"]) >= 4.5, name
        for i in range(8):
            assert contrast(theme[f"c{i}"], theme["bg"]) >= 3.0, i


# ---- a real browser ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opened(chromium, tmp_path_factory):
    chromium.size(1280, 900)
    chromium.open(written(tmp_path_factory.mktemp("page"), FULL))
    return chromium


def test_the_browser_reports_an_error_and_a_request_where_there_is_one(chromium, tmp_path):
    """The test of the tests: both lists fill."""
    path = tmp_path / "bad.html"
    path.write_text('<img src="http://127.0.0.1:9/x.png"><script>nothing.here()</script>')
    chromium.open(path)
    assert any("127.0.0.1:9" in url for url in chromium.requests)
    assert any("nothing is not defined" in text for text in chromium.problems)


def test_no_console_message_and_no_request_but_the_file_itself(opened):
    assert opened.problems == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in opened.requests if url.startswith("file:")]) == 1


def test_each_plot_is_there_with_marks_and_a_name(opened):
    plots = opened.ask(
        "[...document.querySelectorAll('figure')].map(f => ["
        "f.dataset.plot, f.querySelectorAll('svg.chart .mark, svg.chart .part').length,"
        "f.querySelector('svg.chart').getAttribute('aria-label'),"
        "f.querySelector('svg.chart').getBoundingClientRect().width])"
    )
    marks = {kind: count for kind, count, _, _ in plots}
    assert marks["time"] >= 1
    assert set(marks) == {"time", "energy", "energy-time", "roofline", "startup", "scaling"}
    assert all(count > 0 and name and width > 300 for _, count, name, width in plots)


def test_marks_lie_within_their_chart_and_texts_do_too(opened):
    outside = opened.ask(
        "[...document.querySelectorAll('svg.chart')].flatMap(s => {"
        " const b = s.getBoundingClientRect();"
        " return [...s.querySelectorAll('.mark, text')].filter(e => {"
        "  const r = e.getBoundingClientRect();"
        "  return r.left < b.left - 1 || r.right > b.right + 1 || r.top < b.top - 1"
        "   || r.bottom > b.bottom + 1}).map(e => e.textContent)})"
    )
    assert outside == []


def test_tables_sort_by_value_with_the_keyboard(opened):
    column = "[...document.querySelectorAll('#all tbody tr')].map(r => r.cells[4].dataset.by * 1)"
    before = opened.ask(column)
    opened.ask("document.querySelectorAll('#all thead button')[4].focus()")
    for kind in ("keyDown", "keyUp"):
        opened.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r",
                    windowsVirtualKeyCode=13)  # fmt: skip
    after = opened.ask(column)
    assert after == sorted(before)
    assert after != before
    heads = "document.querySelectorAll('#all th')[4].getAttribute('aria-sort')"
    assert opened.ask(heads) == "ascending"
    opened.ask("document.querySelectorAll('#all thead button')[4].click()")
    assert opened.ask(column) == sorted(before, reverse=True)


def test_the_filter_hides_rows(opened):
    shown = opened.ask(
        "(() => { const i = document.querySelector('#filter input'); i.value = 'heat numba';"
        " i.dispatchEvent(new Event('input'));"
        " const n = [...document.querySelectorAll('#all tbody tr')].filter(r => !r.hidden).length;"
        " i.value = ''; i.dispatchEvent(new Event('input')); return n })()"
    )
    assert shown == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (360, 740)], ids=["desk", "phone"])
def test_it_fits_desks_and_phones_in_light_and_dark(opened, scheme, width, height, tmp_path):
    opened.size(width, height, mobile=width < 500)
    opened.scheme(scheme)
    assert opened.ask("document.documentElement.scrollWidth") <= width
    background = opened.ask("getComputedStyle(document.documentElement).backgroundColor")
    bright = sum(map(int, re.findall(r"\d+", background)[:3])) > 384
    assert bright == (scheme == "light")
    assert opened.ask(
        "[...document.querySelectorAll('svg.chart text')].every("
        "t => parseFloat(getComputedStyle(t).fontSize) * t.getCTM().a >= 8)"
    )
    assert len(opened.screenshot(tmp_path / "page.png")) > 10_000


def test_it_prints(opened):
    opened.size(1280, 900)
    data = opened.pdf()
    assert data.startswith(b"%PDF")
    assert len(data) > 20_000


def test_headings_labels_and_regions_are_there_for_screen_readers(opened):
    problems = opened.ask(
        "[...document.querySelectorAll('th')].filter(t => !t.scope).map(() => 'th without scope')"
        ".concat([...document.querySelectorAll('input')].filter(i => !i.labels.length)"
        ".map(() => 'input without label'))"
        ".concat([...document.querySelectorAll('[aria-labelledby]')].filter("
        "e => !document.getElementById(e.getAttribute('aria-labelledby'))).map(() => 'no label'))"
        ".concat([...document.querySelectorAll('nav a')].filter("
        "a => !document.querySelector(a.getAttribute('href'))).map(a => a.href))"
        ".concat(document.querySelectorAll('h1').length === 1 ? [] : ['one h1'])"
        ".concat(document.documentElement.lang ? [] : ['no lang'])"
    )
    assert problems == []


def test_without_scripts_nothing_is_missing(chromium, opened, tmp_path):
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        path = tmp_path / "report.html"
        page.write(path, page.build(FULL))
        chromium.loaded = False
        chromium.call("Page.navigate", url=path.as_uri())
        while not chromium.loaded:
            chromium.receive()
        tree = str(chromium.call("DOM.getDocument", depth=-1))
        assert tree.count("'figure'") == page.build(FULL).count("<figure")
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)
