"""Verdicts over the runs of a command: `joulia gate --base REV -- COMMAND`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import trees

from joulia.gate import checkouts, figures, runs
from joulia.gate.commands import Plan, duel
from joulia.gate.compare import Command
from joulia.gate.surroundings import Surroundings

from .results import made_energy

COMMAND = Command(("bench",))
NOISE = [1.0 + 0.001 * (i % 4) for i in range(10)]


def made(side, seconds=1.0, watts=100.0, **more):
    """Ten runs with a little noise; `figures` are (value, unit, better) by name."""
    told = {name: figures.Figure(*given) for name, given in more.pop("figures", {}).items()}
    each = []
    for noise in NOISE:
        energy = replace(made_energy([seconds * noise * watts], "counter", None), watts=watts)
        each.append(
            runs.Run(
                side, side[0] * 40, COMMAND.words, "machine", seconds=seconds * noise,
                cpu_s=seconds * noise, memory_bytes=1e7, energy=energy, figures=told, **more,
            )
        )  # fmt: skip
    return each


def judged(base, head):
    verdicts = runs.judge(COMMAND, base, head, runs.Terms(runs.THRESHOLDS), 4)
    return {verdict.metric: verdict for verdict in verdicts}


def test_more_joules_at_the_same_speed_are_more_power():
    told = judged(made("base"), made("head", watts=112.0))
    assert [told[metric].verdict for metric in ("time", "energy")] == ["same", "regression"]
    power = told["energy"].power
    assert power.verdict == "more"
    assert power.change == pytest.approx(0.12)
    assert "more power (+12.0%" in power.sentence
    slower = judged(made("base"), made("head", seconds=1.2, watts=100.0 / 1.2))
    assert [slower[metric].verdict for metric in ("time", "energy")] == ["regression", "same"]
    assert slower["energy"].power.verdict == "less"


class MadeUp:
    """In the place of a Runner: turns that take made-up seconds, in the order of their sides."""

    def __init__(self, seconds, fails_at=None):
        self.seconds = seconds
        self.fails_at = fails_at
        self.order = ""

    def begin(self, seconds, repeats, *, metered):
        self.begun = seconds, repeats, metered
        self.order += " "

    def run(self, checkout):
        self.order += checkout.side[0]
        turn = made(checkout.side, self.seconds[checkout.side])[len(self.order) % len(NOISE)]
        return replace(turn, failure="boom") if len(self.order) == self.fails_at else turn


def turns(runner, pairs=40, seconds=60.0):
    base, head = (
        checkouts.Checkout(side, side[0] * 40, "made up", Path(), {}) for side in ("base", "head")
    )
    terms = runs.Terms(runs.THRESHOLDS, ("time",))
    plan = Plan(COMMAND, terms, pairs, seconds)
    (verdict,), *_ = duel(base, head, plan, runner, lambda what, done, of: None)
    return verdict


def test_turns_alternate_until_all_is_settled_or_paid_for():
    runner = MadeUp({"base": 1.0, "head": 2.0})
    verdict = turns(runner)
    assert (verdict.verdict, verdict.pairs) == ("regression", 10)
    assert runner.order == "hb " + "bhhb" * 5
    assert runner.begun[0] == pytest.approx(1.0, rel=0.01)
    assert runner.begun[1:] == (None, False)  # joules are not judged
    near = {"base": 1.0, "head": 1.0498}
    assert turns(MadeUp(near)).verdict == "inconclusive"
    assert turns(MadeUp(near), pairs=20).pairs == 20
    assert turns(MadeUp({"base": 1.0, "head": 2.0}), seconds=0.0).pairs == 1
    broken = turns(MadeUp({"base": 1.0, "head": 1.0}, fails_at=7))
    assert (broken.verdict, broken.reason) == ("failed", f"base {'b' * 12}: boom")


def test_of_some_figures_more_is_better():
    base, fast = ({"figures": {"rate": (rate, "1/s", "higher")}} for rate in (100.0, 125.0))
    rate = judged(made("base", **base), made("head", **fast))["rate"]
    assert (rate.verdict, rate.base, rate.head) == ("improvement", 100.0, 125.0)
    assert rate.change == pytest.approx(0.25)
    assert judged(made("base", **fast), made("head", **base))["rate"].verdict == "regression"


@pytest.mark.parametrize(
    ("base", "head", "verdict", "reason"),
    [
        ({"n": (0.0,)}, {"n": (0.0,)}, "same", ""),
        ({"n": (0.0,)}, {"n": (2.0,)}, "inconclusive", "not always above 0"),
        ({"n": (1.0,)}, {}, "failed", "head no longer tells it"),
        ({}, {"n": (1.0,)}, "nothing measured", "base does not tell it"),
        ({"n": (1.0, "s")}, {"n": (1.0, "ms")}, "conditions differ", "ms, lower is better"),
    ],
)
def test_figures_that_cannot_be_compared(base, head, verdict, reason):
    told = judged(made("base", figures=base), made("head", figures=head))["n"]
    assert told.verdict == verdict
    assert reason in told.reason
    assert runs.is_open(told) == (verdict == "conditions differ")


def test_a_verdict_over_differing_conditions_is_refused_in_words(tmp_path):
    quiet = trees.proc_stat(trees.laptop_conditions(tmp_path / "a"), (0.0, 10.0, 0.0))
    around = Surroundings(quiet, [0])
    before = around.look()
    trees.proc_stat(quiet, (0.5, 10.5, 0.0))
    after = around.look()
    powersave = around.conditions(before, after, 1.0, 0.5)
    disturbed = around.conditions(before, after, 1.0, 0.1)
    unknown = around.conditions(before, after, 0.2, 0.1)  # too short to tell
    assert [len(each.disturbed) for each in (powersave, disturbed, unknown)] == [0, 1, 0]
    assert disturbed.note == "other programs used 40 % of the cores"
    performance = replace(powersave, governor="performance")
    told = judged(made("base", conditions=powersave), made("head", conditions=performance))
    assert {verdict.verdict for verdict in told.values()} == {"conditions differ"}
    assert told["time"].reason == "conditions differ: governor powersave | performance"
    told = judged(made("base", conditions=powersave), made("head", conditions=disturbed))
    assert told["time"].reason == "conditions differ: disturbed processes 0 % | 100 %"
    told = judged(made("base", conditions=unknown), made("head", conditions=disturbed))
    assert told["time"].verdict == "same"


def test_joules_of_other_parts_of_the_machine_are_not_compared():
    head = [
        replace(run, energy=replace(run.energy, counted=("node:node",))) for run in made("head")
    ]
    assert judged(made("base"), head)["energy"].verdict == "nothing measured"


def test_kept_runs_of_another_machine_or_command_are_refused(joulia, tmp_path):
    def write(name, each):
        lines = [json.dumps(run.to_json()) + "\n" for run in each]
        (tmp_path / name).write_text("".join(lines))
        return tmp_path / name

    base = write("base.jsonl", made("base"))
    assert runs.load(base) == made("base")
    for change, message in (
        ({"machine": "other"}, "of different machines: machine, other"),
        ({"command": ("other",)}, "of different commands: bench, other"),
    ):
        head = write("head.jsonl", [replace(run, **change) for run in made("head")])
        done = joulia("gate", base, head)
        assert done.returncode == 2
        assert message in done.stderr
    (tmp_path / "torn.jsonl").write_text(base.read_text()[:-30])
    done = joulia("gate", base, tmp_path / "torn.jsonl")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
