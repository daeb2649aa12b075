"""The command line: what it refuses, what it tells, how quickly it answers."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from joulia.case import Settings
from joulia.errors import JouliaError
from joulia.runner import launch
from joulia.simulation.solve import make_case
from joulia.system import machine

from .conftest import require

REFUSED = {
    ("run", "hat"): "unknown kernel 'hat'; did you mean 'heat'? Allowed: stream, ",
    ("run", "heat", "-b", "nunba"): "unknown backend 'nunba'; did you mean 'numba'?",
    ("run", "heat", "-b", "occa:cdua"): "unknown backend 'occa:cdua'",
    ("run", "heat", "-b", "numpy,nunba"): "unknown backend 'nunba'; did you mean 'numba'?",
    ("run", "heat", "-b", ","): "unknown backend ','. Allowed: numpy, ",
    ("frontier", "heat", "-b", "numpy,nunba"): "unknown backend 'nunba'; did you mean 'numba'?",
    ("run", "heat", "--size", "smal"): "unknown size of heat 'smal'; did you mean 'small'?",
    ("run", "heat", "--dtype", "float16"): "unknown dtype 'float16'",
    ("run", "heat", "--param", "clf=0.1"): "unknown parameter of heat 'clf'; did you mean 'cfl'?",
    ("run", "heat", "--param", "cfl=0.9"): "parameter cfl=0.9 is not allowed. Allowed: a number",
    ("run", "heat", "--param", "cfl=nan"): "parameter cfl=nan is not allowed",
    ("run", "heat", "--param", "cfl"): "--param cfl is not allowed",
    ("run", "heat", "--param", "k=1.5"): "parameter k=1.5 is not allowed. Allowed: an integer",
    ("run", "heat", "--shape", "8x8"): "heat needs a shape of 3 axes, not 8x8",
    ("run", "heat", "--shape", "8x0x8"): "--shape 8x0x8 is not allowed",
    ("run", "heat", "--shape", "a"): "--shape a is not allowed",
    ("run", "heat", "--ranks", "0"): "--ranks 0 is not allowed",
    ("run", "heat", "--ranks", "two"): "--ranks two is not allowed",
    ("run", "heat", "--shape", "2x2x2", "--ranks", "64"): "64 ranks do not fit the grid 2x2x2",
    ("run", "heat", "--window", "0"): "--window",
    ("run", "heat", "--repeats", "0"): "--repeats",
    ("run", "heat", "--preset", "quik"): "unknown preset 'quik'; did you mean 'quick'?",
    ("run", "heat", "--preset", "quick", "--size", "tiny"): "--preset names the sizes itself",
    ("run", "heat", "--launcher", "srum"): "unknown launcher 'srum'; did you mean 'srun'?",
    ("run", "heat", "--decompose", "2x2"): "--decompose 2x2 is not allowed for 1 ranks on 3 axes",
    ("run", "heat", "--banana"): "--banana",
    ("rum",): "rum",
    ("show", "/nonexistent/file"): "cannot read /nonexistent/file",
    ("prepare", "ocaa"): "unknown part to prepare 'ocaa'; did you mean 'occa'?",
}


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_bad_input_is_one_clear_line_and_exit_code_2(arguments, joulia, tmp_path):
    extra = ("--output", tmp_path / "r.jsonl") if arguments[0] == "run" else ()
    done = joulia(*arguments, *extra)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert REFUSED[arguments] in done.stderr


def test_an_output_that_is_no_results_file_is_refused_before_anything_runs(joulia, tmp_path):
    path = tmp_path / "thesis.txt"
    path.write_text("do not touch\n")
    done = joulia("run", "heat", "-b", "numpy", "--size", "tiny", "--output", path)
    assert done.returncode == 2
    assert "thesis.txt, line 1: not JSON" in done.stderr
    assert path.read_text() == "do not touch\n"


def test_an_output_that_cannot_be_written_is_one_line(joulia, tmp_path):
    (tmp_path / "file").write_text("")
    done = joulia("run", "heat", "-b", "numpy", "--output", tmp_path / "file" / "r.jsonl")
    assert done.returncode == 2
    assert "cannot write" in done.stderr


def test_run_show_and_resume(joulia, tmp_path):
    path = tmp_path / "r.jsonl"
    arguments = ("run", "heat", "-b", "numpy", "-b", "numba", "--size", "tiny", "--no-ceiling")
    quick = ("--window", "0.005", "--repeats", "6", "--output", path)
    first = joulia(*arguments, *quick)
    assert first.returncode == 0, first.stderr
    assert "[2/2]" in first.stderr
    second = joulia(*arguments, *quick)
    assert second.stderr.count("(resumed)") == 2
    assert len(path.read_text().splitlines()) == 2
    third = joulia(*arguments, *quick, "--no-resume")
    assert "(resumed)" not in third.stderr
    assert len(path.read_text().splitlines()) == 4
    shown = joulia("show", path)
    assert shown.returncode == 0
    assert shown.stdout.count("valid") == 4
    assert "12x10x8" in shown.stdout
    assert "No joules: no meter on this machine" in shown.stdout


def test_a_triad_that_bounds_the_case_is_run_first_and_the_fraction_is_in_the_record(
    joulia, tmp_path
):
    path = tmp_path / "r.jsonl"
    done = joulia(
        "run", "heat", "-b", "numba", "--shape", "200x256x256", "--window", "0.01",
        "--repeats", "2", "--threads", "1", "--output", path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    triad, heat = [json.loads(line) for line in path.read_text().splitlines()]
    assert triad["case"]["kernel"] == "stream"
    assert triad["rates"]["fraction_of_bound"] is None
    ceiling = heat["rates"]["ceiling_bytes_per_s"]
    fastest = min(triad["time"]["samples"])
    assert ceiling == pytest.approx(3 * 8 * triad["case"]["shape"][0] / fastest)
    assert heat["rates"]["fraction_of_bound"] == pytest.approx(
        heat["rates"]["bytes_per_s"] / ceiling
    )


def test_a_sweep_runs_every_value_once(measured):
    records = measured(
        "stream", "-b", "numpy", "--shape", "100,200", "--param", "op=triad,copy",
        "--dtype", "float64,float32",
    )  # fmt: skip
    keys = {
        (tuple(r["case"]["shape"]), r["case"]["params"]["op"], r["case"]["dtype"]) for r in records
    }
    assert len(keys) == len(records) == 8


def test_a_case_that_cannot_run_here_is_skipped_with_its_reason(measured):
    (record,) = measured("heat", "-b", "numpy", "--size", "tiny", "--threads", "2")
    assert record["status"] == "skipped"
    assert record["reasons"] == ["numpy runs on one thread"]


def test_help_is_quick_and_the_parent_imports_no_runtime():
    script = (
        "import sys; sys.argv = ['joulia', '--help']; from joulia.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'numpy', 'numba', 'mpi4py', 'juliacall', 'scipy', 'rich'}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
    assert "run" in done.stdout


def test_running_imports_neither_mpi_nor_a_runtime_in_the_parent(tmp_path):
    script = (
        "import sys; sys.argv = ['joulia', 'run', 'heat', '-b', 'numba', '--size', 'tiny', "
        "'--window', '0.001', '--repeats', '1', '--no-ceiling', "
        f"'--output', {str(tmp_path / 'r')!r}]\n"
        "from joulia.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'numba', 'mpi4py', 'juliacall', 'scipy', 'llvmlite'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_doctor_tells_states_reasons_and_remedies(joulia):
    done = joulia("doctor", "--json")
    assert done.returncode == 0, done.stderr
    examined = json.loads(done.stdout)
    assert examined["mpi"]["state"] == "ok", examined["mpi"]
    assert examined["backends"]["numpy"]["state"] == "ok"
    assert examined["backends"]["numba"]["state"] == "ok"
    assert examined["machine"]["cores"] == len(examined["affinity"])
    for state in [*examined["backends"].values(), *examined["meters"].values(), examined["mpi"]]:
        assert state["state"] in ("ok", "missing")
        assert state["detail"]


def test_list_names_every_empty_cell(joulia):
    done = joulia("list", env={"OCCA_DIR": "/nonexistent"})
    assert done.returncode == 0
    assert "OCCA_DIR is /nonexistent" in done.stdout
    assert "heat" in done.stdout
    (few,) = [line for line in done.stdout.splitlines() if line.startswith("kokkos:serial/plain:")]
    assert few == "kokkos:serial/plain: written for heat, shallow_water alone", "a line a backend"


def test_an_unavailable_occa_mode_is_an_error_and_not_a_silent_serial(monkeypatch):
    require("occa:serial")
    script = (
        "from joulia.bridges import occa\n"
        "from joulia.simulation.solve import make_case\n"
        "occa.MODES['openmp'] = 'NoSuchMode'\n"
        "occa.start(make_case('heat', 'occa:openmp'))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode != 0
    assert "Unavailable: OCCA gave a Serial device where NoSuchMode was asked for" in done.stderr


def test_a_case_takes_the_cores_that_are_named_in_their_order(monkeypatch):
    monkeypatch.delenv("JOULIA_CORES", raising=False)
    lent = machine.usable_cores()
    assert lent == sorted(lent)
    turned = [*lent[1:], lent[0]]
    monkeypatch.setenv("JOULIA_CORES", ",".join(map(str, turned)))
    script = "import json, sys; print(json.load(open(sys.argv[1]))['pin'])"
    monkeypatch.setattr(launch, "guarded", lambda argv: [sys.executable, "-c", script, argv[-1]])
    case = make_case("heat")
    assert launch.measured(case, Settings()).stderr[-1] == str(turned)
    assert launch.measured(case, Settings(), [lent[-1]]).stderr[-1] == str([lent[-1]])


@pytest.mark.parametrize("cores", ["one", "0,,1", "0,0", "-1", "0-1", "1000000"])
def test_cores_that_cannot_be_had_are_one_line(cores, monkeypatch):
    monkeypatch.setenv("JOULIA_CORES", cores)
    with pytest.raises(JouliaError, match=rf"^JOULIA_CORES={cores} is not allowed\. Allowed: .*\d"):
        machine.usable_cores()
