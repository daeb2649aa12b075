"""`energy_*` benchmarks: joules a call, read from the machine's meters by joulia's rules.

Windows are filled with calls until the meters' update period no longer matters, and begin in calls
that run already (not where a benchmark fixes `number`: its calls may need their setup). Idle power
is read before and after, a failed read voids its window, and what cannot be told is NaN with a
reason. asv keeps numbers only: the reason and the full figures go to `.asv/joulia/energy.jsonl`.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from asv_runner.benchmarks._base import Benchmark, _get_first_attr, _unique_param_ids

NO_METER = "none"
"""The source where nothing can be measured: one row, NaN, with its reason."""


@cache
def source(gpus: bool) -> str:
    """How joules are measured here: `counter`, `sampled` or `counter+sampled`.

    A parameter of every benchmark, so that no series mixes them.
    """
    from joulia.energy import EnergyMonitor

    energy = EnergyMonitor(everything=gpus)
    try:
        return "+".join(sorted({domain.source for domain in energy.account.counted})) or NO_METER
    finally:
        energy.close()


class EnergyBenchmark(Benchmark):  # type: ignore[misc]
    """Joules a call.

    Attributes that a benchmark may set, as with asv's own types: `window_s` (least seconds a
    window; the meters may need more), `repeat` (windows), `number` (calls a window; 0 fills it),
    `tolerance` (relative error of one sigma above which a window is too short), `gpus` (count the
    machine's GPUs too; a call must then wait for the GPU itself).
    """

    name_regex = re.compile("^(Energy[A-Z_].+)|(energy_.+)$")

    def __init__(self, name: str, func: Callable[..., Any], attr_sources: list[Any]) -> None:
        super().__init__(name, func, attr_sources)

        def setting(key: str, default: Any) -> Any:
            return _get_first_attr(attr_sources, key, default)

        self.type = setting("type", "energy")
        self.unit = setting("unit", "J")
        self.window_s = float(setting("window_s", 1.0))
        self.longest_s = float(setting("longest_s", 60.0))
        self.repeat = int(setting("repeat", 7))
        self.number = int(setting("number", 0))
        self.tolerance = float(setting("tolerance", 0.02))
        self.gpus = bool(setting("gpus", False))
        self._source = ""
        self._current_params: tuple[Any, ...] = ()
        self._params: list[Any] = [*self._params, [source(self.gpus)]]
        self.param_names: list[str] = [*self.param_names, "source"]
        self.params = _unique_param_ids(self._params)

    def set_param_idx(self, param_idx: int) -> None:
        """The source belongs to the series, not to the benchmark's arguments."""
        super().set_param_idx(param_idx)
        *arguments, self._source = self._current_params
        self._current_params = tuple(arguments)

    def run(self, *param: Any) -> Any:
        """Samples in joules a call, or NaN with its reason in the side record."""
        figures, number, reason = self._measure(lambda: self.func(*param))
        energy = None if figures is None else dataclasses.asdict(figures)
        self._keep({"number": number, "energy": energy, "reason": reason})
        if figures is None:
            print(f"{self.name}: no joules: {reason}", file=sys.stderr)
            return math.nan
        return {"samples": list(figures.samples), "number": number}

    def _measure(self, call: Callable[[], object]) -> tuple[Any, int, str | None]:
        """(joulia's `Energy`, calls a window, None) or (None, calls a window, the reason)."""
        from joulia.energy import EnergyMonitor, energy_result

        energy = EnergyMonitor(tolerance=self.tolerance, everything=self.gpus)
        try:
            if not energy.account.counted:
                return None, 0, energy_result(energy, 1)[1]
            call()  # what happens once, imports and compilation, is not what a call costs
            energy.infer_periods()
            window_s = energy.window_s(self.window_s, self.longest_s)
            number = self.number or fill(call, window_s)
            energy.idle()
            for _ in range(self.repeat):
                self.redo_setup()
                energy.spread_phases(window_s)
                if not self.number:
                    lead(call, energy.lead_s(window_s))
                before = energy.read()
                for _ in range(number):
                    call()
                energy.window(before, energy.read())
            energy.idle()
            figures, reason = energy_result(energy, number)
            return figures, number, reason
        finally:
            energy.close()

    def _keep(self, outcome: dict[str, Any]) -> None:
        """One line beside asv's results, with what asv would drop."""
        home = conf_dir(self.func)
        if home is None:
            return
        context = {
            "benchmark": self.name,
            "params": [*map(repr, self._current_params)],
            "source": self._source,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "commit": os.environ.get("ASV_COMMIT"),
            "environment": os.environ.get("ASV_ENV_NAME"),
        }
        folder = home / ".asv" / "joulia"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "energy.jsonl").open("a") as file:
            file.write(json.dumps(context | outcome) + "\n")


def lead(call: Callable[[], object], seconds: float) -> None:
    """Calls until no counter tells of what was before them."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        call()


def fill(call: Callable[[], object], window_s: float) -> int:
    """The number of calls that fills a window, from timing ever more calls."""
    number = 1
    while True:
        began = time.perf_counter()
        for _ in range(number):
            call()
        seconds = time.perf_counter() - began
        if seconds >= 0.1 * window_s:
            return max(1, math.ceil(window_s / seconds * number))
        number *= 2


def conf_dir(func: Callable[..., Any]) -> Path | None:
    """The folder of asv.conf.json: asv names it to its own environments, not to existing ones."""
    if named := os.environ.get("ASV_CONF_DIR"):
        return Path(named)
    parents = Path(inspect.getfile(func)).resolve().parents
    return next((folder for folder in parents if (folder / "asv.conf.json").is_file()), None)


export_as_benchmark = [EnergyBenchmark]
