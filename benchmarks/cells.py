"""Measuring all cells of the suite once, through `joulia run`, and looking results up.

The installed joulia is called by its command line and answers with records: of all that it offers,
these two change least from commit to commit, and what asv plots is what `joulia run` reports.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .matrix import ROOT

SIZE = "small"
RECORDS = Path(os.environ.get("ASV_CONF_DIR", ROOT)) / ".asv" / "joulia"
Cells = dict[str, dict[str, Any]]
"""Records by `kernel backend`; under `""` what went wrong as a whole, if anything did."""


def name(kernel: str, backend: str) -> str:
    return f"{kernel} {backend}"


def measure() -> Cells:
    """Run every kernel on every backend that the installed joulia knows; keep its records."""
    options = os.environ.get("JOULIA_ASV_OPTIONS", "").split()
    with tempfile.TemporaryDirectory(prefix="joulia-asv-") as scratch:
        # Far from the checkout: its folders must not shadow what is installed.
        output = Path(scratch) / "records.jsonl"
        done = subprocess.run(
            [sys.executable, "-P", "-m", "joulia", "run", "--size", SIZE, "--no-ceiling", *options]
            + ["--output", str(output)],
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = output.read_text().splitlines() if output.is_file() else []
        records = [json.loads(line) for line in lines]
        keep(output if lines else None, records)
    cells = {name(r["case"]["kernel"], backend(r["case"])): r for r in records}
    if not records:
        cells[""] = {"reasons": [f"joulia run ended with {done.returncode}: {done.stderr[-2000:]}"]}
    for key, record in cells.items():
        for reason in record["reasons"]:
            print(f"joulia: {key}: {reason}", file=sys.stderr)
    return cells


def backend(case: dict[str, Any]) -> str:
    """The name a user gives a record's backend."""
    place = case["bridge"] if case["device"] == "cpu" else f"{case['bridge']}:{case['device']}"
    variant = case.get("variant", "tuned")
    return str(place if variant == "tuned" else f"{place}/{variant}")


def keep(output: Path | None, records: list[dict[str, Any]]) -> None:
    """Full records, with the reasons that asv drops, beside asv's results: `.asv/joulia/`."""
    if output is None:
        return
    # asv tells its own environments what they are; an existing one runs from the checkout.
    commit = os.environ.get("ASV_COMMIT") or records[0]["commit"] or "unknown"
    environment = os.environ.get("ASV_ENV_NAME", "existing")
    folder = RECORDS / str(records[0]["machine"]["hostname"])
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(output, folder / f"{commit[:8]}-{environment}.jsonl")


def samples(values: list[float]) -> dict[str, Any]:
    """What asv needs for a median with its interval and for its Mann-Whitney test."""
    return {"samples": values, "number": 1}


def time(cells: Cells, kernel: str, backend: str) -> Any:
    """Samples in s/step; NaN where the case has no valid record."""
    record = cells.get(name(kernel, backend), {})
    return samples(record["time"]["samples"]) if record.get("time") else math.nan


def energy(cells: Cells, kernel: str, backend: str, source: str) -> Any:
    """Samples in J/step; NaN where nothing was measured, or by another kind of meter."""
    energy = cells.get(name(kernel, backend), {}).get("energy")
    if not energy or energy["source"] != source:
        return math.nan
    return samples(energy["samples"])


def startup(cells: Cells, kernel: str, backend: str, *keys: str) -> float:
    """The sum of start-up figures in seconds; NaN where one was not measured."""
    parts = cells.get(name(kernel, backend), {}).get("startup") or {}
    return math.fsum(parts.get(key, math.nan) for key in keys)
