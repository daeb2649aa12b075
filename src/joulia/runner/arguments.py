"""A case and its settings as arguments of `joulia run`: one place for all who start it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from joulia.case import Case, Settings, Value


def of_cases(cases: Sequence[Case]) -> list[str]:
    """What names these cases of one kernel: their values as lists, where they are several."""
    (kernel,) = {case.kernel for case in cases}
    parts = [kernel]
    for backend in dict.fromkeys(case.backend for case in cases):
        parts += ["-b", backend]
    sizes = _listed(case.size for case in cases if case.size)
    shapes = _listed("x".join(map(str, case.shape)) for case in cases if not case.size)
    parts += ["--size", sizes] * bool(sizes) + ["--shape", shapes] * bool(shapes)
    parts += ["--dtype", _listed(case.dtype for case in cases)]
    parts += ["--ranks", _listed(str(case.ranks) for case in cases)]
    parts += ["--threads", _listed(str(case.threads) for case in cases)]
    watts = _listed(f"{case.power_limit_w:g}" for case in cases if case.power_limit_w)
    megahertz = _listed(f"{case.clock_mhz:g}" for case in cases if case.clock_mhz)
    parts += ["--power-limit", watts] * bool(watts) + ["--clock", megahertz] * bool(megahertz)
    waits = _listed(case.wait for case in cases)
    parts += ["--wait", waits] * (waits != "default")
    return parts


def of_params(params: Mapping[str, Iterable[Value]]) -> list[str]:
    """Parameters of the kernel with all their values."""
    return [
        text
        for name, values in params.items()
        for text in ("--param", f"{name}={_listed(map(str, values))}")
    ]


def of_settings(settings: Settings) -> list[str]:
    """How it is measured: what is at its default is left out, but for window and repeats."""
    default = Settings()
    parts = ["--window", repr(settings.window_s), "--repeats", str(settings.repeats)]
    if settings.timeout_s != default.timeout_s:
        parts += ["--timeout", repr(settings.timeout_s)]
    parts += ["--cold"] * settings.cold
    parts += {None: [], False: ["--no-overlap"], True: ["--overlap"]}[settings.overlap]
    if settings.energy_tolerance != default.energy_tolerance:
        parts += ["--energy-tolerance", f"{100.0 * settings.energy_tolerance:.15g}"]
    for name in ("profile", "carbon", "machine"):
        if value := getattr(settings, name):
            parts += [f"--{name}", value]
    parts += ["--oversubscribe"] * settings.oversubscribe
    if settings.decompose:
        parts += ["--decompose", "x".join(map(str, settings.decompose))]
    for name in ("launcher", "gpu_exchange"):
        if (value := getattr(settings, name)) != getattr(default, name):
            parts += [f"--{name.replace('_', '-')}", value]
    parts += ["--until", repr(settings.until)] if settings.until else []
    parts += ["--no-joules"] * (not settings.joules)
    return parts


def of_case(case: Case) -> list[str]:
    """One case, whole: by its shape and with every parameter."""
    every = {name: [value] for name, value in case.params}
    return [*of_cases([replace(case, size=None)]), *of_params(every)]


def _listed(values: Iterable[str]) -> str:
    return ",".join(dict.fromkeys(values))
