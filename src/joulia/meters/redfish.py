"""Redfish: the whole chassis as its management controller tells over HTTPS. A cross-check.

Only where the user says which: JOULIA_REDFISH=https://BMC, or with the path of a chassis. The login
is in ~/.netrc, the certificate's authority in REQUESTS_CA_BUNDLE; both are `requests`' own. That
library, an extra of joulia, keeps the connection open: a new one costs a BMC a second. Basic
authentication, which every service has (DSP0266), opens no session that could be left behind.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from joulia.errors import Unavailable
from joulia.meters import Base, Clock, Domain, Missing
from joulia.meters._sampled import ProcessSampler, Reader, Sampled, Sampling

CROSS_CHECK = True
VARIABLE = "JOULIA_REDFISH"
ROOT = "/redfish/v1/"
PERIOD_S = 5.0
"""The time between a BMC's readings, which no standard bounds: some take 1 s, some 5 s."""
SAMPLE_S = 1.0
PATIENCE_S = 10.0
SYSTEMATIC_REL = 0.1
"""Sensors may state an `Accuracy`; few do, and none what they leave out: assumed."""


class Service:
    """A Redfish service, through one connection."""

    def __init__(self, address: str) -> None:
        try:
            self.requests: Any = importlib.import_module("requests")
        except ImportError:
            raise Missing("absent", "no requests", "pip install 'joulia[redfish]'") from None
        self.address = address
        self.session = self.requests.Session()

    def get(self, path: str) -> Mapping[str, Any]:
        """A resource, empty where there is none. Raises Unavailable with what the service says."""
        host = urlsplit(self.address).hostname
        try:
            answer = self.session.get(self.address + path, timeout=PATIENCE_S)
            if answer.status_code in (401, 403):
                raise Missing(
                    "unreadable",
                    f"{host} refuses {path} ({answer.status_code})",
                    f"put a login into ~/.netrc: machine {host} login ... password ...",
                )
            if answer.status_code == 404:
                return {}  # a link to nothing: it tells nothing
            answer.raise_for_status()
            resource = answer.json()
        except self.requests.exceptions.SSLError:
            raise Unavailable(
                f"the certificate of {host} is not trusted",
                "name the file of its authority in REQUESTS_CA_BUNDLE",
            ) from None
        except self.requests.exceptions.RequestException as error:
            raise Unavailable(f"{host}: {reason(error)}") from None
        if not isinstance(resource, dict):
            raise Unavailable(f"{host} answers {path} with no object")
        return resource


def reason(error: Exception) -> str:
    """The last words of a chain of errors, in one line."""
    while error.__context__ is not None and isinstance(error.__context__, Exception):
        error = error.__context__
    return " ".join(str(error).split())[:160]


def inside(resource: Any, *keys: str | int) -> Any:
    """What lies under names and positions; None where a service has another shape."""
    for key in keys:
        try:
            resource = resource[key]
        except (KeyError, IndexError, TypeError):
            return None
    return resource


def linked(resource: Any, *keys: str | int) -> str | None:
    """The path that a property links to."""
    path = inside(resource, *keys, "@odata.id")
    return path if isinstance(path, str) else None


def watts(service: Service, chassis: Mapping[str, Any]) -> float | None:
    """What a chassis draws: by EnvironmentMetrics (since 2020.4), else by Power, which preceded it.

    None where it tells neither, nor a number (`null` while the host is off).
    """
    figure: Any = None
    if path := linked(chassis, "EnvironmentMetrics"):
        figure = inside(service.get(path), "PowerWatts", "Reading")
    if figure is None and (path := linked(chassis, "Power")):
        # The first control is the chassis; others, where there are any, are parts of it.
        figure = inside(service.get(path), "PowerControl", 0, "PowerConsumedWatts")
    return float(figure) if isinstance(figure, int | float) and figure > 0 else None


def power_reader(address: str, path: str) -> Callable[[], dict[str, float]]:
    """Watts of a chassis by its name."""
    service = Service(address)
    chassis = service.get(path)

    def read() -> dict[str, float]:
        power = watts(service, chassis)
        if power is None:
            raise Unavailable(f"{address}{path} tells no power now")
        return {label(path): power}

    return read


def label(path: str) -> str:
    return f"chassis {path.rstrip('/').rpartition('/')[2]}"


def outermost(service: Service) -> list[str]:
    """The chassis that tell power and lie in no other."""
    collection = linked(service.get(ROOT), "Chassis")
    members = inside(service.get(collection), "Members") if collection else None
    paths = [linked(member) for member in members or []]
    return [path for path in paths if path and _outermost(service, service.get(path))]


def _outermost(service: Service, chassis: Mapping[str, Any]) -> bool:
    within = inside(chassis, "Links", "ContainedBy")
    return not within and watts(service, chassis) is not None


def open(root: Path, clock: Clock, sampling: Sampling = ProcessSampler) -> list[Base]:
    """The chassis of the service that JOULIA_REDFISH names."""
    given = urlsplit(os.environ.get(VARIABLE, ""))
    if not given.netloc:
        raise Missing("absent", f"{VARIABLE} names no service", f"{VARIABLE}=https://BMC")
    if given.username or given.password:
        raise Missing("absent", f"a login in {VARIABLE}", "put it into ~/.netrc, for others see it")
    if given.scheme != "https":
        raise Missing("absent", f"{VARIABLE} is not https, and would send a login in the clear", "")
    address = f"{given.scheme}://{given.netloc}"
    path = given.path if given.path not in ("", "/") else _only(Service(address))
    reader = Reader(power_reader(address, path), f"{__name__}:power_reader", [address, path])
    domains = {
        name: Domain("cross-check", PERIOD_S, 0.0, SYSTEMATIC_REL) for name in reader.local()
    }
    return [Sampled(f"{address}{path}", domains, sampling(reader, SAMPLE_S, clock))]


def _only(service: Service) -> str:
    paths = outermost(service)
    if len(paths) == 1:
        return paths[0]
    if not paths:
        raise Missing("absent", f"no chassis of {service.address} tells power", "")
    raise Missing(
        "absent",
        f"{len(paths)} chassis tell power: {', '.join(paths)}",
        f"name the one of this node: {VARIABLE}={service.address}{paths[0]}",
    )
