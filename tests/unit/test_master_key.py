"""Master keys, and which of them go together."""

import builtins
import copy
import datetime
import math
import pickle
from typing import Any

import pytest

import rudp
from rudp.config import Config
from rudp.keys import MasterKey, packed

SECRET = b"sixteen octets.."


def test_defaults() -> None:
    key = MasterKey(secret=SECRET)
    assert (key.send_id, key.recv_id, key.algorithm) == (0, 0, "HMAC-SHA-256-96")
    assert key.send_lifetime == key.recv_lifetime == (-math.inf, math.inf)
    assert key.covers_options
    assert key.addresses == "none"
    assert rudp.MasterKey is MasterKey


def test_the_secret_is_not_shown() -> None:
    assert "sixteen" not in repr(Config(keys=(MasterKey(secret=SECRET),)))


def test_keys_can_be_copied() -> None:
    key = MasterKey(secret=SECRET, network="10.0.0.0/8")
    assert copy.deepcopy(key) == pickle.loads(pickle.dumps(key)) == key


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"secret": b"short"}, "16 to 80 octets, not 5"),
        ({"secret": bytes(81)}, "16 to 80 octets, not 81"),
        ({"send_id": 256}, "send_id must be a whole number from 0 to 255, not 256"),
        ({"recv_id": -1}, "recv_id must be"),
        ({"recv_id": True}, "recv_id must be"),
        ({"algorithm": "MD5"}, "algorithm must be one of 'HMAC-SHA-256-96', .*, not 'MD5'"),
        ({"network": "10.0.0.1/8"}, "network: .*host bits"),
        ({"network": "example.org"}, "network: "),
        ({"send_lifetime": (5.0, 5.0)}, "send_lifetime ends before it begins"),
        ({"recv_lifetime": (math.nan, 5.0)}, "recv_lifetime ends before it begins"),
        ({"addresses": "some"}, "addresses must be 'none', 'real' or a pair"),
        ({"addresses": ("10.0.0.1",)}, "addresses must be 'none', 'real' or a pair"),
        ({"addresses": ["10.0.0.1", "10.0.0.2"]}, "addresses must be"),
        ({"addresses": None}, "addresses must be"),
        ({"addresses": ("10.0.0.1", "::1")}, "must be IPv4's, or both IPv6's"),
        ({"addresses": ("10.0.0.1", "here")}, "'here' does not appear to be"),
    ],
)
def test_bad_values(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MasterKey(**({"secret": SECRET} | settings))


@pytest.mark.parametrize(
    "lifetime",
    [
        ("2026-01-01", "2027-01-01"),
        (datetime.datetime(2026, 1, 1), datetime.datetime(2027, 1, 1)),
        (0.0, None),
        (0.0,),
        None,
    ],
)
def test_lifetimes_are_numbers(lifetime: Any) -> None:
    """Else the first segment would find out."""
    for name in ("send_lifetime", "recv_lifetime"):
        settings: dict[str, Any] = {name: lifetime}
        with pytest.raises(TypeError, match=f"{name} must be two numbers of seconds"):
            MasterKey(secret=SECRET, **settings)


def test_a_secret_is_bytes() -> None:
    with pytest.raises(TypeError, match="a key must be bytes, not str"):
        MasterKey(secret="sixteen octets..")  # type: ignore[arg-type]


def test_an_algorithm_whose_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'aiorudp\[keys\]'"):
        MasterKey(secret=SECRET, algorithm="AES-128-CMAC-96")


def test_two_keys_must_be_told_apart() -> None:
    """RFC 5925 §3.1: no segment may be meant for two, by the id of either direction."""
    one = MasterKey(secret=SECRET, send_id=1, recv_id=2)
    for other in (
        MasterKey(secret=SECRET, send_id=1, recv_id=3),
        MasterKey(secret=SECRET, send_id=3, recv_id=2),
        MasterKey(secret=SECRET, send_id=1, recv_id=2, network="10.0.0.0/8"),
    ):
        with pytest.raises(ValueError, match="two keys for the same peers"):
            Config(keys=(one, other))
    Config(keys=(one, MasterKey(secret=SECRET, send_id=2, recv_id=1)))
    nets = ("10.0.0.0/9", "10.128.0.0/9", "fd00::/8")
    Config(keys=tuple(MasterKey(secret=SECRET, network=net) for net in nets))
    with pytest.raises(ValueError, match="two keys"):
        Config(keys=tuple(MasterKey(secret=SECRET, network=net) for net in (*nets, "10.1.2.3")))


@pytest.mark.parametrize("keys", [SECRET, [MasterKey(secret=SECRET)], (SECRET,), None])
def test_keys_are_a_tuple(keys: Any) -> None:
    with pytest.raises(ValueError, match="keys must be a tuple of MasterKey") as caught:
        Config(keys=keys)
    assert repr(SECRET) not in str(caught.value)  # tracebacks are logged


def test_whose_segments_a_key_is_for() -> None:
    everybody = MasterKey(secret=SECRET)
    some = MasterKey(secret=SECRET, network="10.1.0.0/16")
    mapped = MasterKey(secret=SECRET, network="::ffff:10.1.0.0/112")
    one = MasterKey(secret=SECRET, network="fe80::1")
    assert everybody.matches("anything")
    assert some.matches("10.1.2.3")
    assert some.matches("::ffff:10.1.2.3")  # an IPv4 peer of an IPv6 socket
    assert mapped.matches("10.1.2.3")
    assert mapped.matches("::ffff:10.1.2.3")
    assert not some.matches("10.2.0.1")
    assert not mapped.matches("10.2.0.1")
    assert not some.matches("fe80::1")
    assert not some.matches("client")  # a simulated network's
    assert one.matches("fe80::1%eth0")


def test_addresses_as_they_stand_in_a_header() -> None:
    assert packed("10.0.0.1") == packed("::ffff:10.0.0.1") == bytes((10, 0, 0, 1))
    assert len(packed("fe80::1%eth0")) == 16
