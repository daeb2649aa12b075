"""What counts, as properties: totals depend on nodes and devices, never on ranks."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulia.energy.accounting import Account, Seen, User, account

NODES = ("node-a", "node-b", "node-c")
GPUS = [f"GPU-{i:02d}aaaaaa-0000-0000-0000-000000000000" for i in range(12)]


def rapl(node: str, *, psys: bool = False, dram: bool = True) -> list[Seen]:
    domains = {"package-0": "package", "package-0-core": "part", "package-1": "package"}
    domains |= {"package-0-dram": "dram", "package-1-dram": "dram"} if dram else {}
    domains |= {"psys": "platform"} if psys else {}
    return [Seen(node, f"{node}/rapl", name, kind) for name, kind in domains.items()]


def gpu(node: str, uuid: str, bus: int = 1, **more: str) -> Seen:
    return Seen(node, uuid, "gpu", "gpu", device=uuid, bus_id=f"00000000:{bus:02x}:00.0", **more)


def occ(node: str, system: bool = True) -> list[Seen]:
    kinds = {"System": "node"} if system else {}
    for chip in ("Chip 0", "Chip 8"):
        kinds |= {
            chip: "package",
            f"{chip} Vdd": "part",
            f"{chip} Vdn": "part",
            f"{chip} Memory": "dram",
            f"{chip} GPU": "gpus",
        }
    return [Seen(node, f"{node}/ibmpowernv", name, kind) for name, kind in kinds.items()]


def names(total: Account) -> list[str]:
    return [domain.domain for domain in total.counted]


def test_packages_and_dram_without_cores() -> None:
    total = account(rapl("a"), [User("a")])
    assert names(total) == ["package-0", "package-0-dram", "package-1", "package-1-dram"]
    assert total.scope == "dram + package"


def test_psys_replaces_the_sum() -> None:
    assert names(account(rapl("a", psys=True), [User("a")])) == ["psys"]


def test_psys_does_not_stand_beside_a_measured_gpu() -> None:
    """Whether it holds the GPU depends on the board: the packages do not."""
    seen = [*rapl("a", psys=True), gpu("a", GPUS[0])]
    domains = names(account(seen, [User("a", GPUS[0])]))
    assert "psys" not in domains
    assert {"package-0", "package-1", "gpu"} <= set(domains)


def test_the_node_is_all_there_is_to_count() -> None:
    seen = [*occ("a"), *(gpu("a", uuid, i) for i, uuid in enumerate(GPUS[:4]))]
    assert names(account(seen, [User("a", GPUS[0])])) == ["System"]


def test_chips_without_their_rails_where_the_node_is_not_told() -> None:
    domains = names(account(occ("a", system=False), [User("a")]))
    assert sorted(domains) == [
        f"Chip {n}{part}" for n in (0, 8) for part in ("", " GPU", " Memory")
    ]


def test_the_gpu_rail_does_not_stand_beside_gpus() -> None:
    domains = names(account([*occ("a", system=False), gpu("a", GPUS[0])], [User("a", GPUS[0])]))
    assert sorted(domains) == ["Chip 0", "Chip 0 Memory", "Chip 8", "Chip 8 Memory", "gpu"]


def test_two_meters_for_a_node_count_once_and_the_counter_first() -> None:
    second = Seen("a", "a/hwmon", "power_meter power1", "node", source="sampled")
    for seen in ([second, *occ("a")], [*occ("a"), second]):
        assert names(account(seen, [User("a")])) == ["System"]


def test_one_processor_meter_counts() -> None:
    grace = Seen("a", "a/hwmon", "Grace Power Socket 0", "package", source="sampled")
    assert "Grace Power Socket 0" not in names(account([grace, *rapl("a")], [User("a")]))


def grace_hopper() -> list[Seen]:
    kinds = {"Module": "module", "Grace": "package", "CPU": "part", "SysIO": "part"}
    return [
        *(
            Seen("a", "a/hwmon", f"{name} Power Socket 0", kind, source="sampled")
            for name, kind in kinds.items()
        ),
        gpu("a", GPUS[0]),
    ]


def test_grace_hopper_adds_socket_and_gpu_and_never_the_module() -> None:
    domains = names(account(grace_hopper(), [User("a", GPUS[0])]))
    assert sorted(domains) == ["Grace Power Socket 0", "gpu"]


def test_the_module_where_it_is_all_there_is() -> None:
    seen = [domain for domain in grace_hopper() if domain.kind == "module"]
    assert names(account(seen, [User("a")])) == ["Module Power Socket 0"]


def test_a_gpu_in_use_counts_and_the_others_are_named() -> None:
    seen = [*rapl("a"), gpu("a", GPUS[1], 1), gpu("a", GPUS[10], 10)]
    total = account(seen, [User("a", GPUS[10])])
    assert [domain.device for domain in total.counted if domain.kind == "gpu"] == [GPUS[10]]
    assert f"{GPUS[1]}: not used by this case" in total.not_covered


def test_everything_counts_for_a_command() -> None:
    seen = [*rapl("a"), gpu("a", GPUS[1], 1), gpu("a", GPUS[2], 2)]
    assert names(account(seen, [User("a")], everything=True)).count("gpu") == 2


def test_gpus_nobody_uses_are_no_total() -> None:
    total = account([gpu("a", GPUS[0])], [User("a")])
    assert total.problem == "the meters here measure GPUs, which this case does not use"


def test_a_gpu_without_processor_counter_says_what_is_missing() -> None:
    total = account([gpu("a", GPUS[0])], [User("a", "0000:01:00.0")])
    assert names(total) == ["gpu"]
    assert "the processor and its memory (no meter)" in total.not_covered


@pytest.mark.parametrize("device", ["MIG-1234", GPUS[3], "3"])
def test_a_device_that_cannot_be_measured_is_no_total(device: str) -> None:
    total = account([*rapl("a"), gpu("a", GPUS[0])], [User("a", device)])
    assert total.problem


def test_a_divided_gpu_is_no_total() -> None:
    seen = [*rapl("a"), gpu("a", GPUS[0], unattributable="shared, not attributable")]
    assert account(seen, [User("a", GPUS[0])]).problem == "shared, not attributable"


def test_a_node_without_a_meter_is_no_total() -> None:
    total = account(rapl("a"), [User("a"), User("b")])
    assert total.problem == "node b has no meter"


def test_rails_alone_are_no_total() -> None:
    total = account([Seen("a", "a/hwmon", "VDD", "part")], [User("a")])
    assert total.problem
    assert not total.counted


def test_the_battery_where_there_is_nothing_else() -> None:
    drain = Seen("a", "a/battery", "BAT0", "battery", source="sampled")
    assert names(account([drain], [User("a")])) == ["BAT0"]
    assert "BAT0" not in names(account([drain, *rapl("a")], [User("a")]))


def test_sharing_ranks_are_named() -> None:
    seen = [*rapl("a"), gpu("a", GPUS[0], 1), gpu("a", GPUS[1], 2)]
    users = [User("a", GPUS[0]), User("a", GPUS[1]), User("a", GPUS[0])]
    total = account(seen, users)
    assert total.users == {"a/rapl": (0, 1, 2), GPUS[0]: (0, 2), GPUS[1]: (1,)}


@st.composite
def machines(draw: st.DrawFn) -> list[Seen]:
    """Up to three nodes of different make, each with a few GPUs."""
    seen: list[Seen] = []
    for number, node in enumerate(NODES[: draw(st.integers(1, 3))]):
        seen += draw(
            st.sampled_from(
                [rapl(node), rapl(node, dram=False), occ(node), occ(node, system=False)]
            )
        )
        cards = [gpu(node, GPUS[4 * number + i], i + 1) for i in range(draw(st.integers(1, 4)))]
        make = draw(st.sampled_from(["single", "pairs", "modules"]))
        if make == "pairs" and len(cards) > 1:  # the first die tells the energy of both
            first, second, *rest = cards
            cards = [replace(first, covers=((second.meter, second.bus_id),)), *rest]
        if make == "modules":
            cards = [replace(card, domain="module", kind="module") for card in cards]
        seen += cards
    return seen


def gpus_of(seen: list[Seen], node: str) -> dict[str, str | None]:
    """The GPUs of a node that its meters hold, with their bus ids."""
    here = [domain for domain in seen if domain.node == node and domain.device]
    held = {str(domain.device): domain.bus_id for domain in here}
    return held | {uuid: bus_id for domain in here for uuid, bus_id in domain.covers}


def joules(total: Account) -> float:
    """A different number of joules for each domain, so that each set has its own sum."""
    keys = sorted(domain.key for domain in total.counted)
    assert len(keys) == len(set(keys))
    return sum(1.0 + (hash(key) % 999_983) for key in keys)


@given(machines(), st.data())
def test_totals_do_not_depend_on_ranks(seen: list[Seen], data: st.DataObject) -> None:
    """The same joules for any number of ranks a node, any order, any sharing of the same GPUs."""
    nodes = sorted({domain.node for domain in seen})
    least = [User(node, device) for node in nodes for device in gpus_of(seen, node)]
    truth = account(seen, least)
    assert truth.problem is None
    more = data.draw(st.lists(st.sampled_from(least), max_size=20))
    order = data.draw(st.permutations([*least, *more]))
    # Several readers of one node tell the same meters, in any order.
    repeated = data.draw(st.permutations([*seen, *seen[::2]]))
    by_bus = [
        replace(user, device=gpus_of(seen, user.node)[str(user.device)])
        if data.draw(st.booleans())
        else user
        for user in order
    ]
    total = account(repeated, by_bus)
    assert joules(total) == joules(truth)
    assert total.not_covered == truth.not_covered
    assert total.notes == ()


@given(machines())
def test_nothing_counted_lies_inside_something_counted(seen: list[Seen]) -> None:
    total = account(seen, [User(domain.node) for domain in seen], everything=True)
    for node in {domain.node for domain in total.counted}:
        kinds = {domain.kind for domain in total.counted if domain.node == node}
        assert "part" not in kinds
        assert "node" not in kinds or kinds == {"node"}
        assert "module" not in kinds or kinds == {"module"}, "processors are inside"
        assert not {"platform", "package"} <= kinds
        assert not {"gpus", "gpu"} <= kinds


ACPI = Seen("a", "a/hwmon", "power_meter power1", "node", source="sampled", period_s=300.0)


def test_a_node_meter_too_slow_for_the_window_gives_way_and_says_so() -> None:
    total = account([*rapl("a"), ACPI], [User("a")], slowest_s=0.1)
    assert names(total) == ["package-0", "package-0-dram", "package-1", "package-1-dram"]
    (line,) = [text for text in total.not_covered if "too slow" in text]
    assert "power_meter power1 tells one figure in 300 s" in line
    assert names(account([*rapl("a"), ACPI], [User("a")], slowest_s=300.0)) == [ACPI.domain]


def test_a_slow_node_meter_stays_where_nothing_else_measures_the_processor() -> None:
    assert names(account([ACPI], [User("a")], slowest_s=0.1)) == [ACPI.domain]
    seen = [ACPI, gpu("a", GPUS[0])]
    assert names(account(seen, [User("a", GPUS[0])], slowest_s=0.1)) == [ACPI.domain]


def test_a_node_meter_does_not_give_way_to_parts_that_are_as_slow() -> None:
    """Cray's counters of a node and of its processors are scanned together, ten times a second."""
    seen = [
        Seen("a", "a/pm_counters", name, kind, period_s=0.1)
        for name, kind in (("energy", "node"), ("cpu_energy", "package"))
    ]
    assert names(account(seen, [User("a")], slowest_s=0.05)) == ["energy"]


def test_of_two_node_meters_the_quick_one_counts() -> None:
    pm_counters = Seen("a", "a/pm_counters", "energy", "node", period_s=0.1)
    slow = replace(ACPI, meter="a/aaa", source="counter")
    assert names(account([slow, pm_counters], [User("a")], slowest_s=1.0)) == ["energy"]
