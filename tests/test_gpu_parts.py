"""`joulia gpu`: steps in parts, and the whole way on a device that any machine has."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import trees

from joulia import registry
from joulia.case import DTYPES
from joulia.errors import JouliaError
from joulia.runner.plan import GPU_BYTES, preset
from joulia.setup.steps import ABSENT, CUT, DONE, FAILED, Part, Step, read

from .conftest import require


def shell(name: str, script: str, **more: object) -> Step:
    return Step(name, ("sh", "-c", script), **more)  # type: ignore[arg-type]


def run(folder: Path, steps: list[Step], seconds: float = 60.0, **how: bool) -> dict[str, str]:
    return {o.name: o.state for o in Part(folder, seconds).outcomes(steps, **how)}


def test_a_step_that_fails_ends_no_other_and_is_tried_again_in_the_next_part(tmp_path):
    once = f"echo ran >> {tmp_path}/ran; echo fine"
    steps = [
        shell("bad", "echo words; echo the reason >&2; exit 7"),
        shell("good", once),
        shell("elsewhere", "exit 1", absent=lambda: "no such device"),
    ]
    assert run(tmp_path, steps) == {"bad": FAILED, "good": DONE, "elsewhere": ABSENT}
    told = {name: outcome.told for name, outcome in read(tmp_path).items()}
    assert told == {"bad": "exit code 7: the reason", "good": "fine", "elsewhere": "no such device"}
    assert run(tmp_path, steps) == {"elsewhere": ABSENT, "bad": FAILED}, "what failed comes last"
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert list(run(tmp_path, steps, again=True)) == ["bad", "good", "elsewhere"]
    another = [shell("good", once + " enough")]
    assert run(tmp_path, another) == {"good": DONE}, "another command is another step"


WAITS = "import time; print('begun', flush=True); time.sleep(600)"


def test_the_time_limit_interrupts_a_step_and_the_next_part_goes_on(tmp_path):
    slow = Step("slow", (sys.executable, "-c", WAITS), resumes=True, told=lambda log: log[:5])
    steps = [shell("first", "true"), slow, shell("last", "true")]
    part = Part(tmp_path, 5.0)
    assert {o.name: o.state for o in part.outcomes(steps)} == {"first": DONE, "slow": CUT}
    assert part.unfinished(steps) == ["slow", "last"]
    assert part.known["slow"].told == "begun"
    quick = [steps[0], Step("slow", slow.command, absent=lambda: "gone"), steps[2]]
    again = Part(tmp_path, 60.0)
    assert {o.name: o.state for o in again.outcomes(quick)} == {"slow": ABSENT, "last": DONE}
    assert again.unfinished(quick) == []


def test_a_step_that_fits_into_no_part_has_failed(tmp_path):
    endless = Step("endless", (sys.executable, "-c", WAITS))
    assert run(tmp_path, [endless], seconds=1.0) == {"endless": FAILED}
    assert "no end within 1 s, a whole part" in read(tmp_path)["endless"].told


def test_a_file_of_something_else_is_one_line(tmp_path):
    (tmp_path / "steps.json").write_text("[{}]")
    with pytest.raises(JouliaError, match="is not what `joulia gpu` wrote"):
        Part(tmp_path, 1.0)


# ---- what is measured --------------------------------------------------------------------------


def test_the_preset_fills_a_gpu_with_every_kernel_in_both_precisions():
    requests = preset("gpu", [], [])
    assert {request.kernels[0] for request in requests} == set(registry.kernels())
    gpus = {"cupy:cuda", "jax:cuda", "julia:cuda", "numba:cuda", "occa:cuda"}
    for request in requests:
        assert set(request.backends) >= gpus
        assert not any("/" in name or name == "occa:opencl" for name in request.backends)
        assert tuple(request.dtypes) == DTYPES
        kernel, (shape,) = registry.kernel(request.kernels[0]).kernel, request.shapes
        case = registry.case(kernel.name, ("numpy", "cpu"), shape)
        assert GPU_BYTES <= kernel.bytes_held(case) < 4 * GPU_BYTES
    (named,) = preset("gpu", ["euler"], ["occa:opencl"], dtypes=["float32"])
    assert (named.backends, named.dtypes, named.shapes) == (
        ["occa:opencl"], ["float32"], ((24, 24, 96),)
    )  # fmt: skip


# ---- the command -------------------------------------------------------------------------------

TESTS = """
import pytest

@pytest.mark.gpu
@pytest.mark.parametrize("backend", ["occa:opencl", "occa:cuda"])
def test_of_a_device(backend):
    assert backend == "occa:opencl"

def test_without_the_mark():
    raise AssertionError
"""


@pytest.fixture
def fake(tmp_path):
    """A meter of constant watts, which no calibration believes, on one core; and quick tests."""
    meter = {"id": "n/fake", "watts": {"package-0": 50.0}}
    root = trees.node(tmp_path / "root")
    trees.put(root, {"run/joulia/fake-meter.json": json.dumps(meter)})
    source = trees.put(
        tmp_path / "source",
        {
            "tests/conftest.py": "",
            "tests/test_it.py": TESTS,
            "pyproject.toml": '[tool.pytest.ini_options]\nmarkers = ["gpu: of devices"]',
        },
    )
    return {"JOULIA_ROOT": str(root), "JOULIA_CORES": "0"}, source / "tests"


def test_the_whole_way_on_opencl_in_two_parts(joulia, fake, tmp_path):
    require("occa:opencl")
    env, tests = fake
    folder = tmp_path / "out"
    command = (
        "gpu", "heat", "stream", "--device", "occa:opencl", "--size", "tiny", "--dtype", "float64",
        "--window", "0.1", "--tests", tests, "--output", folder,
    )  # fmt: skip
    first = joulia(*command, "--minutes", "0.1", env=env)
    assert first.returncode == 3, first.stderr
    assert "; the same command goes on" in first.stdout
    began = read(folder)
    assert {outcome.state for outcome in began.values()} <= {DONE, CUT}

    for _ in range(4):  # one part is enough where the machine is not too busy
        second = joulia(*command, "--minutes", "4", env=env)
        if second.returncode != 3:
            break
    assert second.returncode == 1, second.stderr
    assert second.stdout.splitlines()[-1] == "Finished"
    ended = read(folder)
    assert {name: outcome.state for name, outcome in ended.items()} == {
        "occa": DONE, "rates float64": DONE, "tests occa:opencl": DONE, "calibration": FAILED,
        "joules float64": DONE,
    }  # fmt: skip
    done = {name for name, outcome in began.items() if outcome.state == DONE}
    assert all(ended[name].at == began[name].at for name in done), "what is done is not done again"
    assert "1 passed, 2 deselected" in ended["tests occa:opencl"].told
    assert "fail sleep and spin: 50.0 W asleep" in ended["calibration"].told

    records = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    assert {record["status"] for record in records} == {"valid"}
    assert len({record["id"] for record in records}) == len(records) == 4
    joules = {(r["case"]["kernel"], r["energy"] is not None) for r in records}
    assert joules == {(kernel, has) for kernel in ("heat", "stream") for has in (True, False)}
    reasons = {record["energy_reason"] for record in records}
    assert reasons == {None, "not asked for (--no-joules)"}
    summary = (folder / "summary.md").read_text()
    assert "| calibration | failed |" in summary
    assert "### heat 12x10x8 (tiny) float64" in summary
    assert "2 valid" in summary
    assert "J/step" in summary
    assert (folder / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--device", "occa:openc"), "did you mean 'occa:opencl'?"),
        (("heta", "--device", "occa:opencl"), "did you mean 'heat'?"),
        (("--device", "occa:opencl", "--dtype", "float16"), "unknown dtype 'float16'"),
        (("--device", "occa:opencl", "--size", "huge"), "unknown size 'huge'"),
        ((), "Allowed: --device occa:opencl, which needs no GPU"),
    ],
)
def test_bad_input_is_one_line(joulia, tmp_path, arguments, says):
    done = joulia("gpu", *arguments, "--output", tmp_path / "out")
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
