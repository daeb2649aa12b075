"""What a site runs beside a node: a BMC behind ipmitool and behind Redfish, and Slurm."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trees

CERTIFICATE = Path(__file__).parents[1] / "data" / "localhost.pem"
"""Of localhost, signed by itself as a BMC's is, with its key: for tests alone."""


def program(root: Path, name: str, script: str) -> Path:
    """An executable of a tree."""
    path = root / "usr/bin" / name
    trees.put(root, {f"usr/bin/{name}": f"#!/bin/sh\n{script}"})
    path.chmod(0o755)
    return path


DCMI = """
    Instantaneous power reading:                   {watts} Watts
    Minimum during sampling period:                188 Watts
    Maximum during sampling period:               1940 Watts
    Average power reading over sample period:      194 Watts
    IPMI timestamp:                           08/28/26 07:12:06 UTC    \
Sampling period:                          00000005 Seconds.
    Power reading state is:                   {state}

"""
"""As ipmitool 1.8.19's lib/ipmi_dcmi.c prints it; the figures are a Gigabyte G431-MM0's."""


def ipmitool(root: Path, watts: int | str = 195, state: str = "activated") -> Path:
    """A BMC (/dev/ipmi0), and an ipmitool that knows `dcmi power reading`."""
    trees.put(trees.node(root), {"dev/ipmi0": ""})
    reading = DCMI.format(watts=watts, state=state)
    return program(
        root, "ipmitool", f"[ \"$*\" = 'dcmi power reading' ] && cat <<'EOF'\n{reading}EOF"
    )


def failing_ipmitool(root: Path, words: str) -> Path:
    trees.put(trees.node(root), {"dev/ipmi0": ""})
    return program(root, "ipmitool", f"echo '{words}' >&2\nexit 1")


def slurm(root: Path, joules: str, plugin: str = "acct_gather_energy/ipmi") -> None:
    """scontrol and sstat inside a job: `scontrol show config` and man sstat, Slurm 22 to 24.

    `joules` is what the shell makes the figure of, such as `$(cat FILE)`. Where no plug-in is set,
    Slurm up to 22 tells `acct_gather_energy/none`, later `(null)`.
    """
    config = (
        f"AcctGatherEnergyType    = {plugin}\n"
        "AcctGatherNodeFreq      = 0 sec\n"
        "JobAcctGatherFrequency  = task=30,energy=10\n"
        "JobAcctGatherType       = jobacct_gather/cgroup\n"
    )
    trees.node(root)
    program(root, "scontrol", f"[ \"$*\" = 'show config' ] && cat <<'EOF'\n{config}EOF")
    wanted = "--noheader --parsable2 --format=ConsumedEnergyRaw --jobs=1234.batch"
    program(root, "sstat", f'[ "$*" = \'{wanted}\' ] && echo "{joules}"')


RACK = {
    "/redfish/v1/": {"Chassis": {"@odata.id": "/redfish/v1/Chassis"}},
    "/redfish/v1/Chassis": {"Members": [{"@odata.id": "/redfish/v1/Chassis/1U"}]},
    "/redfish/v1/Chassis/1U": {
        "@odata.type": "#Chassis.v1_25_0.Chassis",
        "ChassisType": "RackMount",
        "PowerSubsystem": {"@odata.id": "/redfish/v1/Chassis/1U/PowerSubsystem"},
        "EnvironmentMetrics": {"@odata.id": "/redfish/v1/Chassis/1U/EnvironmentMetrics"},
    },
    "/redfish/v1/Chassis/1U/EnvironmentMetrics": {
        "@odata.type": "#EnvironmentMetrics.v1_3_1.EnvironmentMetrics",
        "PowerWatts": {
            "DataSourceUri": "/redfish/v1/Chassis/1U/Sensors/TotalPower",
            "Reading": 374,
        },
        "EnergykWh": {"DataSourceUri": "/redfish/v1/Chassis/1U/Sensors/Energy", "Reading": 3638},
    },
}
"""DMTF's mockup public-rackmount1 (DSP2043), what of it leads to power."""

CISCO = {
    "/redfish/v1/": {"Chassis": {"@odata.id": "/redfish/v1/Chassis"}},
    "/redfish/v1/Chassis": {"Members": [{"@odata.id": "/redfish/v1/Chassis/1"}]},
    "/redfish/v1/Chassis/1": {
        "@odata.type": "#Chassis.v1_10_0.Chassis",
        "Power": {"@odata.id": "/redfish/v1/Chassis/1/Power"},
    },
    "/redfish/v1/Chassis/1/Power": {"PowerControl": [{"PowerConsumedWatts": 235}]},
}
"""A service older than EnvironmentMetrics (2020.4), such as a Cisco UCSC-C240-M5SN's."""


@contextmanager
def bmc(resources: Mapping[str, Any], login: str = "joulia:secret") -> Iterator[str]:
    """A Redfish service over HTTPS on localhost; the address. It takes basic authentication."""
    wanted = "Basic " + base64.b64encode(login.encode()).decode()

    class Service(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            code = 200 if self.path in resources else 404
            if self.headers.get("Authorization") != wanted and self.path != "/redfish/v1/":
                code = 401  # the root is open to all (DSP0266)
            body = json.dumps(resources.get(self.path, {}) if code == 200 else {}).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"https://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
