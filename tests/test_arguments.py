"""A case and its settings turn into arguments of `joulia run`, and back into themselves."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import click
import pytest

from joulia import registry
from joulia.case import Case, Settings, Value
from joulia.cli import measuring
from joulia.errors import JouliaError
from joulia.runner import arguments
from joulia.runner.plan import plan

OTHER: dict[str, Any] = {
    "window_s": 0.123456789, "repeats": 11, "timeout_s": 31.5, "cold": True, "overlap": False,
    "energy_tolerance": 0.035, "profile": "laptop", "carbon": "123", "oversubscribe": True,
    "decompose": (2, 1, 1), "launcher": "mpiexec", "gpu_exchange": "host", "until": 0.1,
    "machine": "ac922", "joules": False,
}  # fmt: skip
"""For every field of Settings a value that is not its default."""


def parsed(given: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[Case, Settings]:
    """What `joulia run` makes of arguments, before anything is measured."""
    seen: list[tuple[Any, Settings]] = []

    def execute(planned: Any, settings: Settings, output: Any, **how: Any) -> int:
        seen.append((planned, settings))
        return 0

    monkeypatch.setattr("joulia.cli.progress.execute", execute)
    with click.Context(measuring.run) as context:
        measuring.run.parse_args(context, [*given, "--no-ceiling"])
        measuring.run.invoke(context)
    ((planned, settings),) = seen
    (planned_case,) = planned
    return planned_case.case, settings


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Settings)])
def test_every_setting_comes_back(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = dataclasses.replace(Settings(), **{name: OTHER[name]})
    assert settings != Settings()
    given = ["heat", "-b", "numpy", "--ranks", "2", *arguments.of_settings(settings)]
    assert parsed(given, monkeypatch)[1] == settings


def test_all_settings_come_back_together(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(**OTHER)
    given = ["heat", "-b", "numpy", "--ranks", "2", *arguments.of_settings(settings)]
    assert parsed(given, monkeypatch)[1] == settings


@pytest.mark.parametrize("kernel", registry.kernels())
@pytest.mark.parametrize("backend", ["numpy", "numba", "numba/plain", "numba:cuda", "occa:openmp"])
def test_every_field_of_a_case_comes_back(
    kernel: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (where,) = registry.backend(backend)
    shape = registry.kernel(kernel).kernel.sizes["small"]

    def asked(params: dict[str, Value]) -> Case:
        return registry.case(
            kernel, where, shape, dtype="float32", ranks=2, threads=3, params=params
        )

    params: dict[str, Value] = {}
    for name, param in registry.kernel(kernel).kernel.params.items():
        number: Any = param.default
        choices = param.choices or (number, *(type(number)(f * number) for f in (0.5, 2.0)))
        # Not every choice goes with every other, nor with float32.
        for choice in reversed(choices):
            with contextlib.suppress(JouliaError):
                asked(params | {name: choice})
                params[name] = choice
                break
    case = asked(params)
    assert not case.params or case.params != asked({}).params
    assert parsed(arguments.of_case(case), monkeypatch)[0] == case


def test_cases_of_one_kernel_share_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [
        registry.case("heat", (bridge, "cpu"), (12, 10, 8), size="tiny", threads=threads)
        for bridge in ("numpy", "numba")
        for threads in (1, 2)
    ]
    line = arguments.of_cases(cases)
    assert line == [
        "heat", "-b", "numpy", "-b", "numba", "--size", "tiny",
        "--dtype", "float64", "--ranks", "1", "--threads", "1,2",
    ]  # fmt: skip
    assert plan([]) == []
