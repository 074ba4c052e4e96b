"""Every setting: its default, its range, and what lies outside."""

import dataclasses
import math
from typing import Any

import pytest

from rudp.config import CONGESTION, MSS_CEILING, MSS_FLOOR, Config
from rudp.core.congestion.newreno import NewReno
from rudp.core.congestion.registry import CONTROLLERS, controller_factory
from rudp.core.terms.bounds import WINDOW_MAX

INF = math.inf

DEFAULTS: dict[str, object] = {
    "mss": None,
    "mtu_discovery": True,
    "nodelay": True,
    "sack": True,
    "dsack": True,
    "timestamps": True,
    "window_scaling": True,
    "keys": (),
    "receive_buffer": 262_144,
    "receive_buffer_max": 50_331_648,
    "send_buffer": 50_331_648,
    "buffers_max": 268_435_456,
    "congestion": "cubic",
    "loss_detection": "rack",
    "tail_loss_probe": True,
    "prr": True,
    "undo": True,
    "pacing": True,
    "min_rto": 0.2,
    "max_rto": 60.0,
    "rto_form": "linux",
    "delayed_ack": 0.04,
    "careful_resume": None,
    "slow_start_after_idle": True,
    "ecn": "accurate",
    "syn_retries": 7,
    "connect_timeout": None,
    "user_timeout": 300.0,
    "keepalive": False,
    "keepalive_idle": 7200.0,
    "keepalive_interval": 75.0,
    "keepalive_count": 9,
    "idle_timeout": None,
    "unreachable": None,
    "msl": 120.0,
    "fin_wait2_timeout": 60.0,
    "linger": 5.0,
    "rfc1337": True,
    "connections_max": 131_072,
    "half_open_max": 256,
    "syn_cookies": True,
    "fast_open": False,
    "time_wait_max": 65_536,
    "reassembly_max": 268_435_456,
    "resets_max": 20_000,
    "resets_per_source": 8000,
    "dscp": 0,
    "ttl": None,
    "visible": False,
    "flight_recorder": 64,
    "datagram_io": "auto",
    "lane": "auto",
}

# name, the smallest that is taken, what is too small, the largest, what is too large
RANGES: list[tuple[str, float, float, float, float]] = [
    ("mss", 88, 87, 65_487, 65_488),
    ("receive_buffer", 4096, 4095, 1 << 30, (1 << 30) + 1),
    ("receive_buffer_max", 4096, 4095, 1 << 30, (1 << 30) + 1),
    ("send_buffer", 4096, 4095, 1 << 30, (1 << 30) + 1),
    ("buffers_max", 0, -1, 1 << 40, (1 << 40) + 1),
    ("min_rto", 0.001, 0.0009, 60.0, 60.1),
    ("max_rto", 1.0, 0.99, 3600.0, 3600.1),
    ("delayed_ack", 0.0, -0.001, 0.499, 0.5),
    ("syn_retries", 0, -1, 32, 33),
    ("keepalive_count", 1, 0, 255, 256),
    ("msl", 0.0, -1.0, 86_400.0, 86_401.0),
    ("connections_max", 1, 0, 1 << 24, (1 << 24) + 1),
    ("half_open_max", 0, -1, 1 << 24, (1 << 24) + 1),
    ("flight_recorder", 0, -1, 4096, 4097),
    ("time_wait_max", 1, 0, 1 << 24, (1 << 24) + 1),
    ("reassembly_max", 0, -1, 1 << 40, (1 << 40) + 1),
    ("linger", 0.0, -0.1, 86_400.0, 86_401.0),
    ("resets_max", 0, -1, 1 << 24, (1 << 24) + 1),
    ("resets_per_source", 0, -1, 1 << 24, (1 << 24) + 1),
    ("dscp", 0, -1, 63, 64),
    ("ttl", 1, 0, 255, 256),
    ("unreachable", 1, 0, 255, 256),
]
TIMES = [
    "connect_timeout",
    "user_timeout",
    "idle_timeout",
    "keepalive_idle",
    "keepalive_interval",
    "fin_wait2_timeout",
]
OPTIONAL = [
    "careful_resume",
    "mss",
    "connect_timeout",
    "user_timeout",
    "idle_timeout",
    "ttl",
    "unreachable",
]
WHOLE = [
    "mss",
    "receive_buffer",
    "receive_buffer_max",
    "send_buffer",
    "buffers_max",
    "syn_retries",
    "keepalive_count",
    "connections_max",
    "half_open_max",
    "time_wait_max",
    "reassembly_max",
    "resets_max",
    "resets_per_source",
    "dscp",
    "ttl",
    "unreachable",
]


def made(name: str, value: Any) -> object:
    return getattr(Config(**{name: value}), name)


def test_defaults() -> None:
    """DEF-1, DEF-3, DEF-4, DEF-6, DEF-9, DEF-11, DEF-12, DEF-14, DEF-15, DEF-26, DEF-28,
    DEF-39, DEF-45, MUST-25, MUST-28, SHLD-11"""
    assert dataclasses.asdict(Config()) == DEFAULTS


def test_units() -> None:
    """MUST-67, W-51, W-55, WS-3: the largest UDP payload less the fixed header; Linux's floor."""
    assert (MSS_FLOOR, MSS_CEILING, WINDOW_MAX) == (88, 65_507 - 20, 1 << 30)


@pytest.mark.parametrize(("name", "low", "below", "high", "above"), RANGES)
def test_ranges(name: str, low: float, below: float, high: float, above: float) -> None:
    """MUST-40 for delayed_ack, RTO-5 and RTO-6 for the RTO, W-55 and MUST-67 for the MSS."""
    assert made(name, low) == low
    assert made(name, high) == high
    for value in (below, above, INF, -INF, math.nan):
        with pytest.raises(ValueError, match=name):
            made(name, value)


@pytest.mark.parametrize("name", TIMES)
def test_times_without_an_upper_bound(name: str) -> None:
    """MUST-21, MUST-27: infinity is a choice."""
    for value in (0.001, 1.0, 1e9, INF):
        assert made(name, value) == value
    for value in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match=name):
            made(name, value)


def test_every_number_is_checked() -> None:
    numbers = {name for name, *_ in RANGES} | set(TIMES)
    others = {
        "keys",
        "nodelay",
        "sack",
        "timestamps",
        "window_scaling",
        "dsack",
        "mtu_discovery",
        "congestion",
        "loss_detection",
        "tail_loss_probe",
        "prr",
        "undo",
        "pacing",
        "rto_form",
        "careful_resume",
        "slow_start_after_idle",
        "ecn",
        "keepalive",
        "rfc1337",
        "syn_cookies",
        "fast_open",
        "datagram_io",
        "lane",
        "visible",
    }
    assert numbers | others == {field.name for field in dataclasses.fields(Config)}


@pytest.mark.parametrize("name", sorted({name for name, *_ in RANGES} | set(TIMES)))
@pytest.mark.parametrize("value", ["1000", b"1000", True, [1000], 1000j])
def test_numbers_are_numbers(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        made(name, value)


def test_keepalive_takes_a_time() -> None:
    """UDP-12, KA-5"""
    for value in (25, 25.0, True, False, 1e-3):
        assert made("keepalive", value) == value
    for wrong in (0, -1, 0.0009, "25", None, float("nan"), [25]):
        with pytest.raises(ValueError, match="keepalive"):
            made("keepalive", wrong)


@pytest.mark.parametrize("name", WHOLE)
def test_sizes_and_counts_are_whole(name: str) -> None:
    low, high = next((row[1], row[3]) for row in RANGES if row[0] == name)
    with pytest.raises(ValueError, match=name):
        made(name, (low + high) / 2 + 0.25)


@pytest.mark.parametrize("name", OPTIONAL)
def test_none_is_a_value(name: str) -> None:
    """MUST-21"""
    assert made(name, None) is None


@pytest.mark.parametrize(
    "name",
    [n for n, value in DEFAULTS.items() if n not in OPTIONAL and not isinstance(value, bool)],
)
def test_none_is_no_value(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        made(name, None)


def test_times_may_be_whole() -> None:
    assert Config(min_rto=2, max_rto=60.5, msl=30, user_timeout=5).max_rto == 60.5


def test_the_bounds_of_the_rto_keep_their_order() -> None:
    """RTO-5, RTO-6"""
    assert Config(min_rto=30.0, max_rto=30.0).max_rto == 30.0
    with pytest.raises(ValueError, match="max_rto"):
        Config(min_rto=30.0, max_rto=29.0)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("rto_form", ["linux", "rfc"]),
        ("ecn", ["accurate", "classic", "accept", "on", "off"]),
        ("datagram_io", ["auto", "linux", "selector", "portable"]),
        ("lane", ["auto", "python", "off"]),
    ],
)
def test_choices(name: str, values: list[str]) -> None:
    for value in values:
        assert made(name, value) == value
    for wrong in ("", "LINUX", "other", 1):
        with pytest.raises(ValueError, match=name):
            made(name, wrong)


def test_congestion_control() -> None:
    """CC-12, MAY-18: by name, or whatever makes a controller."""
    assert made("congestion", NewReno) is NewReno
    for name in CONGESTION:
        assert made("congestion", name) == name
        assert controller_factory(name)(1000, 10_000).cwnd == 10_000
    assert set(CONTROLLERS) == set(CONGESTION)
    assert controller_factory(NewReno) is NewReno
    with pytest.raises(ValueError, match="loss_detection"):
        made("loss_detection", "rfc793")
    for value in ("vegas", "", 3):
        with pytest.raises(ValueError, match="congestion"):
            made("congestion", value)


def test_it_never_changes() -> None:
    config = Config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.nodelay = False  # type: ignore[misc]


def test_only_by_name() -> None:
    with pytest.raises(TypeError):
        Config(1000)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Config(no_such_setting=1)  # type: ignore[call-arg]


def test_the_profile_of_the_rfcs() -> None:
    """RTO-5, SHLD-7, TW-3: where the defaults follow Linux."""
    profile = Config.rfc()
    changed = {name for name in DEFAULTS if getattr(profile, name) != DEFAULTS[name]}
    assert changed == {"min_rto", "rto_form", "nodelay", "rfc1337"}
    assert (profile.min_rto, profile.rto_form) == (1.0, "rfc")
    assert (profile.nodelay, profile.rfc1337) == (False, False)


def test_the_profile_with_changes() -> None:
    profile = Config.rfc(min_rto=0.5, sack=False)
    assert (profile.min_rto, profile.sack, profile.rto_form) == (0.5, False, "rfc")
    with pytest.raises(ValueError, match="dscp"):
        Config.rfc(dscp=64)
