"""The report's first screen: what each kernel costs in each language, and what is missing, once."""

from __future__ import annotations

from joulia import registry
from joulia.analysis import advice
from joulia.analysis.compare import comparisons
from joulia.report import page

from .pages import words, written
from .results import record
from .test_report import FULL

SOURCES = {
    "numpy": (8e-3, 36), "c++": (1.2e-3, 31), "numba/plain": (4.1e-3, 17), "numba": (1e-3, 40),
    "julia/plain": (2e-3, 12), "julia/ka": (9e-3, 16), "julia": (1.004e-3, 34),
    "occa:serial/plain": (3e-3, 18), "occa:openmp/plain": (1.5e-3, 18), "occa:openmp": (1.1e-3, 39),
}  # fmt: skip
RANKED = [name for name in registry.kernels() if registry.ranked(name)]
MATRIX = [
    record(backend, seconds, lines=lines, kernel=kernel)
    for kernel in RANKED
    for backend, (seconds, lines) in SOURCES.items()
]
"""A run of every kernel in every language, plain and tuned, without a meter: times of a step, s."""


def test_the_summary_has_a_line_a_kernel_over_cpp_and_the_baseline():
    advised = [advice.advise(p) for p in advice.main_problems(comparisons(MATRIX))]
    assert {a.short for a in advised} == {
        "numba (or julia: cannot be told apart): 1.00 ms, "
        "1.20 times as fast as c++ (1.20 to 1.20), 8.00 times as fast as numpy (7.97 to 8.03)"
    }
    few = [record(name, [1e-3 * n for n in (5, 6, 7)]) for name, _ in SOURCES.items()]
    (tied,) = [advice.advise(p) for p in comparisons(few)]
    assert tied.short.count(",") < 8, "a line, however many cannot be told apart"
    assert ", 5 more: cannot be told apart)" in tied.short
    (alone,) = [advice.advise(p) for p in comparisons([record("numba", 1e-3)])]
    assert alone.short == "only numba was measured: 1.00 ms"
    (close,) = [advice.advise(p) for p in comparisons([record("c++", 1e-3), record("numpy", 1e-3)])]
    assert close.short.endswith("cannot be told apart): 1.00 ms, not clearly faster than numpy")
    (metered,) = [advice.advise(p) for p in advice.main_problems(comparisons(FULL))]
    assert metered.short.endswith("numpy (6.64 to 6.69), fewest joules: julia 1 x 2")


def test_what_was_not_measured_is_told_once():
    text = words(page.build(MATRIX))
    assert text.count("no meter on this machine") == 1
    assert "No joules: no meter on this machine. No bandwidth ceiling" in text
    some = words(page.build([*MATRIX, record("numba", 1e-3, kernel="tracer", energy=1.0)]))
    assert some.count("no meter on this machine") == 1
    of_all = f"{len(MATRIX)} of {len(MATRIX) + 1}"
    assert f"No joules of {of_all} cases: no meter on this machine." in some


def test_the_first_screen_tells_what_plain_and_tuned_sources_cost(chromium, tmp_path):
    """A newcomer's screen, without scrolling: a row and a line for each kernel."""
    chromium.size(1280, 900)
    chromium.open(written(tmp_path, MATRIX))
    assert chromium.ask("document.querySelector('#summary').getBoundingClientRect().bottom") <= 900
    table = "document.querySelector('table.prices')"
    heads = chromium.ask(f"[...{table}.tHead.rows[0].cells].map(c => c.innerText)")
    names = [" ".join(head.split()) for head in heads]
    assert names == [
        "a step of", "Python NumPy", "C++", "Python Numba, plain", "Python Numba, tuned",
        "Julia plain", "Julia ka", "Julia tuned", "OKL OCCA, plain", "OKL OCCA, tuned",
    ]  # fmt: skip
    rows = chromium.ask(
        f"[...{table}.tBodies[0].rows].map(r => [...r.cells].map(c => c.innerText))"
    )
    assert len(rows) == len(RANKED) >= 9
    cells = [" ".join(cell.split()) for cell in rows[0]]
    assert cells[2] == "1.20 ms 31 lines"
    assert cells[4] == "1.00 ms 40 lines · 4.10 × plain"
    assert cells[8] == "1.50 ms 18 lines", "the quicker of OCCA's modes"
    bold = chromium.ask(f"[...{table}.querySelectorAll('.quickest')].map(c => c.cellIndex)")
    assert bold == [4, 7] * len(RANKED), "no clear difference between those two"


def test_lines_of_code_have_charts_and_a_table_of_what_tuning_buys():
    html = page.build(MATRIX)
    assert html.count('data-plot="effort-time"') == len(RANKED)
    assert 'data-plot="effort-energy"' not in html
    hollow = html.count("(hollow: a plainer source)")
    assert hollow == 2 * len(RANKED), "beside those of time per update"
    assert "numba numba/plain 4.10 [4.08, 4.12] 2.4 times the lines (40 against 17)" in words(html)
    metered = [record("numba/plain", 2e-3, energy=0.2, lines=17)]
    metered += [record("numba", 1e-3, energy=0.1, lines=40)]
    assert 'data-plot="effort-energy"' in page.build(metered)
    assert 'href="#effort"' not in page.build(FULL), "records of before have no lines"
