"""IPMI, Redfish and Slurm: what a site says of a node, shown beside the meters, never added."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
import site_services
import trees
from virtual import LocalSampler, VirtualClock

from joulia import meters, registry
from joulia.cli.cross_checks import CrossChecks
from joulia.energy.accounting import Seen, User, account
from joulia.errors import Unavailable
from joulia.meters import Base, Domain, Missing, ipmi, redfish, slurm
from joulia.setup import doctor

SUPPORT = Path(__file__).parent / "support"


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of jobs, with no service named and the system's programs on PATH."""
    for name in [*os.environ]:
        if name.startswith(("SLURM_", "JOULIA_REDFISH")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", f"/usr/bin:/bin:{os.environ['PATH']}")
    monkeypatch.setenv("NO_PROXY", "localhost")


def test_cross_checks_are_opened_on_request_and_never_counted(tmp_path: Path) -> None:
    site_services.ipmitool(tmp_path)
    modules = registry.meters()
    assert {n for n, m in modules.items() if meters.is_cross_check(m)} == {
        "ipmi", "redfish", "slurm",
    }  # fmt: skip
    opened, missing = meters.open_all(tmp_path, VirtualClock())
    assert not any("ipmi" in meter.id for meter in opened)
    assert not {"ipmi", "redfish", "slurm"} & missing.keys()
    seen = [
        Seen("n", "n/ipmi", ipmi.NODE, "cross-check", source="sampled"),
        Seen("n", "n/rapl", "package-0", "package"),
    ]
    assert [domain.domain for domain in account(seen, [User("n")]).counted] == ["package-0"]
    assert account(seen[:1], [User("n")]).counted == ()


def test_a_bmc_by_ipmitool(tmp_path: Path) -> None:
    site_services.ipmitool(tmp_path)
    clock = VirtualClock()
    (meter,) = ipmi.open(tmp_path, clock, LocalSampler)
    meter.start(())
    before = meter.read()
    clock.sleep(10.0)
    assert meter.read()[ipmi.NODE] - before[ipmi.NODE] == pytest.approx(1950.0)
    assert meter.domains[ipmi.NODE].kind == "cross-check"


@pytest.mark.parametrize(
    ("watts", "state", "reason"),
    [
        (0, "activated", "0 W"),  # BMCs that offer DCMI and do not fill it in
        (235, "deactivated", "deactivated"),  # in openbmc-test-automation's example
    ],
)
def test_a_bmc_that_does_not_measure_is_no_meter(
    tmp_path: Path, watts: int, state: str, reason: str
) -> None:
    site_services.ipmitool(tmp_path, watts, state)
    with pytest.raises(Missing, match=reason):
        ipmi.open(tmp_path, VirtualClock(), LocalSampler)


@pytest.mark.parametrize(
    ("words", "state"),
    [
        (
            "Could not open device at /dev/ipmi0 or /dev/ipmi/0 or /dev/ipmidev/0: "
            "Permission denied\nGet Device ID command failed",
            "unreadable",
        ),
        ("    DCMI request failed because: Invalid data field in request (cc)", "absent"),
    ],
)
def test_what_ipmitool_says_is_passed_on(tmp_path: Path, words: str, state: str) -> None:
    site_services.failing_ipmitool(tmp_path, words)
    with pytest.raises(Missing) as error:
        ipmi.open(tmp_path, VirtualClock(), LocalSampler)
    assert error.value.state == state
    assert words.split()[0] in error.value.reason
    assert error.value.remedy


def test_a_node_without_bmc_and_one_without_ipmitool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Missing, match="no BMC"):
        ipmi.open(trees.node(tmp_path), VirtualClock())
    trees.put(tmp_path, {"dev/ipmi0": ""})
    with pytest.raises(Missing, match="no ipmitool"):
        ipmi.open(tmp_path, VirtualClock())


def in_job(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    for name, value in ({"SLURM_JOB_ID": "1234"} | more).items():
        monkeypatch.setenv(name, value)


def test_slurms_joules_of_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_job(monkeypatch)
    trees.put(tmp_path, {"joules": "52143"})
    site_services.slurm(tmp_path, f"$(cat {tmp_path}/joules)")
    (meter,) = slurm.open(tmp_path, VirtualClock())
    (domain,) = meter.domains
    assert domain == "step 1234.batch (ipmi)"
    assert meter.domains[domain].period_s == 10.0
    before = meter.read()[domain]
    trees.put(tmp_path, {"joules": "54143"})
    assert meter.read()[domain] - before == 2000.0


def test_joules_that_go_back_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_job(monkeypatch, SLURM_STEP_NUM_NODES="4")
    trees.put(tmp_path, {"joules": "52143"})
    site_services.slurm(tmp_path, f"$(cat {tmp_path}/joules)")
    (meter,) = slurm.open(tmp_path, VirtualClock())
    assert list(meter.domains) == ["step 1234.batch (ipmi, 4 nodes)"]
    trees.put(tmp_path, {"joules": "143"})
    with pytest.raises(Unavailable, match="went back"):
        meter.read()


@pytest.mark.parametrize("plugin", ["acct_gather_energy/none", "(null)"])
def test_zero_of_a_cluster_that_does_not_measure_is_no_meter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: str
) -> None:
    in_job(monkeypatch)
    site_services.slurm(tmp_path, "0", plugin)
    with pytest.raises(Missing, match="measures no energy") as error:
        slurm.open(tmp_path, VirtualClock())
    assert "AcctGatherEnergyType" in error.value.remedy


@pytest.mark.parametrize("told", ["0", "18446744073709551614", "", "1\n2", "4.58M"])
def test_what_is_no_figure_of_one_step_is_an_error(told: str) -> None:
    """NO_VAL64 (slurm/slurm.h) is a step that nobody measured; no step, two, or K and M."""
    with pytest.raises(Unavailable, match="no joules of this step"):
        slurm.joules(told)


@pytest.mark.parametrize(
    ("step", "name"),
    [(None, "1234.batch"), ("0", "1234.0"), ("4294967290", "1234.interactive")],
)
def test_the_step_that_runs_here(step: str | None, name: str) -> None:
    variables = {"SLURM_JOB_ID": "1234"} | ({"SLURM_STEP_ID": step} if step else {})
    assert slurm.step_here(variables) == name
    assert slurm.step_here({}) is None


@pytest.mark.parametrize(
    ("told", "seconds"), [("30", 30.0), ("task=30,energy=10", 10.0), ("task=15", 30.0), ("0", 30.0)]
)
def test_how_often_slurm_measures(told: str, seconds: float) -> None:
    """JobAcctGatherFrequency in man slurm.conf."""
    assert slurm.frequency_s(f"JobAcctGatherFrequency  = {told}\n") == seconds


def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str = "secret") -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine localhost login joulia password {password}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(site_services.CERTIFICATE))


def redfish_meter(address: str, monkeypatch: pytest.MonkeyPatch, clock: VirtualClock) -> Base:
    monkeypatch.setenv(redfish.VARIABLE, address)
    (meter,) = redfish.open(Path("/"), clock, LocalSampler)
    return meter


@pytest.mark.parametrize(
    ("resources", "domain", "watts"),
    [(site_services.RACK, "chassis 1U", 374.0), (site_services.CISCO, "chassis 1", 235.0)],
)
def test_a_chassis_over_https(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    resources: dict[str, Any],
    domain: str,
    watts: float,
) -> None:
    login(tmp_path, monkeypatch)
    clock = VirtualClock()
    with site_services.bmc(resources) as address:
        meter = redfish_meter(address, monkeypatch, clock)
        meter.start(())
        before = meter.read()
        clock.sleep(4.0)
        after = meter.read()
    assert after[domain] - before[domain] == pytest.approx(4.0 * watts)
    assert meter.domains[domain].kind == "cross-check"


def test_several_chassis_ask_for_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU server has a chassis for its GPU board, which may say what it lies in."""
    login(tmp_path, monkeypatch)
    resources: dict[str, Any] = copy.deepcopy(site_services.RACK)
    resources["/redfish/v1/Chassis"]["Members"].append({"@odata.id": "/redfish/v1/Chassis/HGX"})
    resources["/redfish/v1/Chassis/HGX"] = {"Power": {"@odata.id": "/redfish/v1/Chassis/HGX/Power"}}
    resources["/redfish/v1/Chassis/HGX/Power"] = {"PowerControl": [{"PowerConsumedWatts": 2420.5}]}
    with site_services.bmc(resources) as address:
        with pytest.raises(Missing, match="2 chassis tell power"):
            redfish_meter(address, monkeypatch, VirtualClock())
        named = redfish_meter(f"{address}/redfish/v1/Chassis/HGX", monkeypatch, VirtualClock())
        assert list(named.domains) == ["chassis HGX"]
        inside = {"ContainedBy": {"@odata.id": "/redfish/v1/Chassis/1U"}}
        resources["/redfish/v1/Chassis/HGX"]["Links"] = inside
        outer = redfish_meter(address, monkeypatch, VirtualClock())
        assert list(outer.domains) == ["chassis 1U"]


@pytest.mark.parametrize(
    "odd", [None, [], {"PowerWatts": 374}, {"PowerWatts": {"Reading": "374"}}, {"PowerWatts": None}]
)
def test_a_service_of_another_shape_tells_no_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: Any
) -> None:
    login(tmp_path, monkeypatch)
    resources = {**site_services.RACK, "/redfish/v1/Chassis/1U/EnvironmentMetrics": odd}
    if odd is None:
        del resources["/redfish/v1/Chassis/1U/EnvironmentMetrics"]
    with site_services.bmc(resources) as address, pytest.raises(Unavailable) as error:
        redfish_meter(address, monkeypatch, VirtualClock())
    assert "tells power" in error.value.reason or "no object" in error.value.reason


def test_a_reading_of_null_is_no_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login(tmp_path, monkeypatch)
    resources: dict[str, Any] = copy.deepcopy(site_services.CISCO)
    resources["/redfish/v1/Chassis/1/Power"]["PowerControl"][0]["PowerConsumedWatts"] = None
    with site_services.bmc(resources) as address:
        with pytest.raises(Missing, match="no chassis"):
            redfish_meter(address, monkeypatch, VirtualClock())
        with pytest.raises(Unavailable, match="tells no power now"):
            redfish_meter(f"{address}/redfish/v1/Chassis/1", monkeypatch, VirtualClock())


def test_a_wrong_login_an_unknown_certificate_and_nobody_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login(tmp_path, monkeypatch, password="wrong")
    with site_services.bmc(site_services.RACK) as address:
        with pytest.raises(Missing, match=r"localhost refuses .* \(401\)") as error:
            redfish_meter(address, monkeypatch, VirtualClock())
        assert "netrc" in error.value.remedy
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        with pytest.raises(Unavailable, match="not trusted") as untrusted:
            redfish_meter(address, monkeypatch, VirtualClock())
        assert "REQUESTS_CA_BUNDLE" in untrusted.value.remedy
    with pytest.raises(Unavailable, match="localhost: "):
        redfish_meter(address, monkeypatch, VirtualClock())


def test_redfish_says_which_library_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "requests", None)
    with pytest.raises(Missing, match="no requests") as error:
        redfish_meter("https://localhost:1", monkeypatch, VirtualClock())
    assert "joulia[redfish]" in error.value.remedy


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("", "names no service"),
        ("bmc", "names no service"),
        ("https://me:word@bmc", "a login in"),
        ("http://bmc", "is not https"),
    ],
)
def test_a_service_is_named_without_a_login(
    monkeypatch: pytest.MonkeyPatch, given: str, reason: str
) -> None:
    with pytest.raises(Missing, match=reason):
        redfish_meter(given, monkeypatch, VirtualClock())


def test_windows_of_cross_checks_hold_that_of_the_meters(tmp_path: Path) -> None:
    site_services.ipmitool(tmp_path)
    clock = VirtualClock()
    checks = CrossChecks(clock, list(ipmi.open(tmp_path, clock, LocalSampler)))
    checks.start()
    before = checks.read()
    clock.sleep(200.0)
    (row,) = checks.between(before, checks.read())
    assert row.joules / row.seconds == pytest.approx(195.0)
    assert row.error.rel95 == pytest.approx(ipmi.SYSTEMATIC_REL + 0.95 * 5.0 / 200.0)
    (unread,) = checks.between({}, {})
    assert unread.reason == "not read"
    checks.close()


def test_an_error_that_nobody_foresaw_ends_one_cross_check(tmp_path: Path) -> None:
    class Odd(Base):
        id = "odd"
        domains: ClassVar = {"node": Domain("cross-check", 1.0)}

        def read(self) -> dict[str, float]:
            raise ZeroDivisionError("in a driver")

    checks = CrossChecks(VirtualClock(), [Odd()])
    (row,) = checks.between(checks.read(), checks.read())
    assert row.reason == "odd: ZeroDivisionError: in a driver"


class Hostile(Base):
    """A plug-in that fails wherever it can."""

    id = "hostile"

    @property
    def domains(self) -> Any:
        raise KeyError("domains")

    def read(self) -> dict[str, float]:
        return {"node": 1.0}

    def start(self, busy: object) -> None:
        raise OSError(5, "Input/output error")

    def close(self) -> None:
        raise RuntimeError("not open")


def test_a_cross_check_that_fails_everywhere_ends_itself_alone(tmp_path: Path) -> None:
    site_services.ipmitool(tmp_path)
    clock = VirtualClock()
    checks = CrossChecks(clock, [Hostile(), *ipmi.open(tmp_path, clock, LocalSampler)])
    checks.start()
    assert "Input/output error" in checks.missing["hostile"].reason
    checks.opened.insert(0, Hostile())
    before = checks.read()
    clock.sleep(60.0)
    (row,) = checks.between(before, checks.read())
    assert row.meter.endswith("/ipmi")
    assert row.joules == pytest.approx(195.0 * 60.0)
    assert "KeyError" in checks.missing["hostile"].reason
    checks.close()


def test_joules_that_nothing_could_draw_are_no_cross_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Energies of single jobs that are "way bigger" than they can be (LUMI's user guide, pull
    request 181), here by a BMC's 4.29 MW (lm-sensors issue 460). Four nodes draw more than one."""
    in_job(monkeypatch, SLURM_STEP_NUM_NODES="4")
    trees.put(tmp_path, {"joules": "52143"})
    site_services.slurm(tmp_path, f"$(cat {tmp_path}/joules)")
    clock = VirtualClock()
    checks = CrossChecks(clock, list(slurm.open(tmp_path, clock)))
    before = checks.read()
    clock.sleep(100.0)
    trees.put(tmp_path, {"joules": "6052143"})  # 60 kW
    (row,) = checks.between(before, checks.read())
    assert (row.reason, row.joules) == (None, 6e6)
    trees.put(tmp_path, {"joules": "429552143"})
    (row,) = checks.between(before, checks.read())
    assert row.reason == "4.295e+08 J in 1e+02 s, more than 80000 W"


def meter(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(SUPPORT / "site"), str(SUPPORT)]),
        "JOULIA_ROOT": str(root),
        "COLUMNS": "80",
    }
    return subprocess.run(
        [sys.executable, "-m", "joulia", "meter", *arguments],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_all_meters_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_job(monkeypatch)
    site_services.ipmitool(tmp_path)
    site_services.slurm(tmp_path, "$(( $(date +%s%N) / 5000000 ))")  # 200 W
    login(tmp_path, monkeypatch)
    fake = {"id": f"{trees.BOOT}/rapl", "watts": {"package-0": 50.0, "package-1": 30.0}}
    trees.put(tmp_path, {"run/joulia/fake-meter.json": json.dumps(fake)})
    out = tmp_path / "out.json"
    with site_services.bmc(site_services.RACK) as address:
        monkeypatch.setenv(redfish.VARIABLE, address)
        tolerance = ("--energy-tolerance", "5")
        done = meter(tmp_path, "--all", *tolerance, "-o", str(out), "--", "sleep", "0.3")
    assert done.returncode == 0, done.stderr
    result = json.loads(out.read_text())
    rows = {domain["domain"]: domain for domain in result["domains"]}
    assert rows["package-0"]["ratio"] == pytest.approx(50.0 / 80.0, rel=0.01)
    assert rows["package-0"]["counted"]
    # The BMC's figure is 5 s old at worst, and Slurm's 10 s: nothing can be said of 0.3 s.
    for domain in (ipmi.NODE, "chassis 1U", "step 1234.batch (ipmi)"):
        assert not rows[domain]["counted"]
        assert rows[domain]["too_short"]
    assert result["total"]["watts"] == pytest.approx(80.0, rel=0.01)
    assert "amdsmi" in result["missing"]["amdsmi"]["reason"]
    lines = done.stderr.splitlines()
    assert max(map(len, lines)) <= 80
    for text in ("too short", "cross-check: what the site says", "-> ROCm brings"):
        assert text in done.stderr
    assert trees.BOOT not in done.stderr


def test_all_meters_of_a_bare_virtual_machine_are_one_screen(tmp_path: Path) -> None:
    done = meter(trees.virtual_machine(tmp_path), "--all", "--", "true")
    lines = done.stderr.splitlines()
    assert "No joules: no meter on this machine" in lines[0]
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    for name in ("amdsmi", "hwmon_energy", "ipmi", "pm_counters", "rapl", "redfish", "slurm"):
        assert done.stderr.count(name) >= 1
    assert done.stderr.count("measure on the bare machine") == 1


def test_without_all_a_bare_virtual_machine_takes_less_than_half_a_screen(tmp_path: Path) -> None:
    done = meter(trees.virtual_machine(tmp_path), "--", "true")
    lines = done.stderr.splitlines()
    assert "No joules: no meter on this machine" in lines[0]
    assert len(lines) <= 10
    assert done.stderr.count("measure on the bare machine") == 1
    assert not any(name in done.stderr for name in ("ipmi", "redfish", "slurm"))


def test_a_cross_check_alone_is_never_a_total(tmp_path: Path) -> None:
    site_services.ipmitool(tmp_path)
    done = meter(tmp_path, "--only", "ipmi", "--", "true")
    assert done.returncode == 0
    assert "No joules: a cross-check is never a total" in done.stderr
    assert ipmi.NODE in done.stderr


def test_doctor_tells_of_cross_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site_services.ipmitool(tmp_path)
    monkeypatch.setenv("JOULIA_ROOT", str(tmp_path))
    states = doctor.energy_meters()
    assert states[f"{trees.BOOT}/ipmi"]["detail"] == f"cross-check: sampled, {ipmi.NODE}"
    assert states["slurm"]["state"] == "missing"
    assert "JOULIA_REDFISH" in states["redfish"]["remedy"]
