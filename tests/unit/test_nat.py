"""NATs of the simulator: mapping, filtering, port assignment and hairpinning (RFC 4787)."""

import asyncio
from typing import Any

import pytest

import rudp
from rudp.core.segment.transmit import Address
from rudp.sim import Nat, Network, run
from rudp.testing import Simulation

OUTSIDE = "203.0.113.1"
INNER = ("10.0.0.2", 5000)
ONE = ("192.0.2.1", 80)
OTHER_PORT = ("192.0.2.1", 81)
OTHER_HOST = ("192.0.2.2", 80)


def seen(nat: Nat, remote: Address, inner: Address = INNER, now: float = 0.0) -> Address:
    outer = nat.outward(inner, remote, now)
    assert outer is not None
    return outer


@pytest.mark.parametrize(
    ("kind", "host", "stranger"),
    [
        (Nat.full_cone, True, True),
        (Nat.address_restricted, True, False),
        (Nat.port_restricted, False, False),
        (Nat.symmetric, False, False),
    ],
)
def test_filtering_lets_in_who_was_spoken_to(kind: Any, host: bool, stranger: bool) -> None:
    nat = kind(OUTSIDE)
    outer = seen(nat, ONE)
    assert nat.inward(outer, ONE, 0.0) == INNER
    assert (nat.inward(outer, OTHER_PORT, 0.0) == INNER) is host
    assert (nat.inward(outer, OTHER_HOST, 0.0) == INNER) is stranger
    assert nat.filtered == (not host) + (not stranger)


@pytest.mark.parametrize(
    ("scope", "same"), [("any", (True, True)), ("host", (True, False)), ("port", (False, False))]
)
def test_mapping_may_depend_on_the_destination(scope: Any, same: tuple[bool, bool]) -> None:
    nat = Nat(OUTSIDE, mapping=scope)
    first = seen(nat, ONE)
    assert (seen(nat, OTHER_PORT) == first, seen(nat, OTHER_HOST) == first) == same
    assert seen(nat, ONE) == first


def test_ports_are_preserved_where_they_are_free() -> None:
    nat = Nat(OUTSIDE)
    assert seen(nat, ONE) == (OUTSIDE, 5000)
    assert seen(nat, ONE, ("10.0.0.3", 5000)) == (OUTSIDE, 5001)
    assert seen(nat, OTHER_HOST, ("10.0.0.3", 5000)) == (OUTSIDE, 5001)


def test_random_ports_follow_from_the_seed() -> None:
    ports = [seen(Nat(OUTSIDE, ports="random", seed=seed), ONE)[1] for seed in (1, 1, 2)]
    assert ports[0] == ports[1] != ports[2]
    assert 5000 not in ports


def test_a_silent_destination_is_forgotten() -> None:
    nat = Nat(OUTSIDE, lifetime=30.0)
    outer = seen(nat, ONE)
    assert [inner for inner, *_ in nat.mappings(30.0)] == [INNER]
    assert nat.inward(outer, ONE, 30.5) is None
    assert list(nat.mappings(30.5)) == []


def test_a_datagram_after_two_seconds_makes_a_stream_that_lives_longer() -> None:
    nat = Nat(OUTSIDE, lifetime=30.0, stream_lifetime=120.0)
    outer = seen(nat, ONE)
    nat.inward(outer, ONE, 0.1)
    assert nat.inward(outer, ONE, 30.2) is None
    outer = seen(nat, ONE, now=40.0)
    nat.inward(outer, ONE, 40.1)
    seen(nat, ONE, now=42.5)
    assert nat.inward(outer, ONE, 162.0) == INNER


def test_what_is_forgotten_on_purpose_gets_another_port() -> None:
    nat = Nat(OUTSIDE)
    outer = seen(nat, ONE)
    nat.forget("10.0.0.2")
    assert nat.inward(outer, ONE, 0.0) is None
    assert seen(nat, ONE) == (OUTSIDE, 5001)


def test_a_nat_that_is_full_lets_nothing_new_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rudp.sim.nat.SESSIONS_MAX", 2)
    nat = Nat(OUTSIDE)
    seen(nat, ONE)
    seen(nat, OTHER_HOST, ("10.0.0.3", 1))
    assert nat.outward(("10.0.0.4", 1), ONE, 1.0) is None
    assert seen(nat, ONE, ("10.0.0.4", 1), 60.0) == (OUTSIDE, 1)


@pytest.mark.parametrize(
    "wrong", [{"mapping": "all"}, {"filtering": None}, {"ports": "same"}, {"lifetime": 0.0}]
)
def test_wrong_answers_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Nat(OUTSIDE, **wrong)


# -- on a network ---------------------------------------------------------------------------------


async def greet(server: Address, local: Address) -> tuple[Any, bytes]:
    """Return who the server takes us for, and what it says."""
    who: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not who.done():
            who.set_result(writer.get_extra_info("udp_peername"))
        writer.write(await reader.read())
        writer.close()

    async with await rudp.start_server(serve, *server):
        reader, writer = await rudp.open_connection(*server, local_addr=local)
        writer.write(b"hello")
        writer.write_eof()
        said = await reader.read()
        writer.close()
    return await who, said


def test_a_connection_from_behind_two_nats_in_a_row() -> None:
    async def main() -> None:
        network = asyncio.get_running_loop().network  # type: ignore[attr-defined]
        network.put_behind(Nat("100.64.0.2"), "10.0.0.2")
        network.put_behind(Nat("203.0.113.1", ports="random"), "100.64.0.2")
        (host, port), said = await greet(("192.0.2.1", 80), INNER)
        assert (host, said) == ("203.0.113.1", b"hello")
        assert port != 5000

    run(main(), delay=0.01)


def test_hosts_behind_one_nat_reach_each_other_without_it() -> None:
    async def main() -> None:
        network = asyncio.get_running_loop().network  # type: ignore[attr-defined]
        network.put_behind(Nat(OUTSIDE), "10.0.0.2", "10.0.0.3")
        assert await greet(("10.0.0.3", 80), INNER) == (INNER, b"hello")

    run(main(), delay=0.01)


@pytest.mark.parametrize("hairpin", [True, False])
def test_hairpin_leads_to_a_neighbour_by_the_public_address(hairpin: bool) -> None:
    network = Network(delay=0.01)
    nat = network.put_behind(Nat.full_cone(OUTSIDE, hairpin=hairpin), "10.0.0.2", "10.0.0.3")
    server, client = network.host(("10.0.0.3", 7000)), network.host(INNER)
    server.table.listen(80)
    nat.outward(server.address, ONE, 0.0)
    connection = client.table.open_active(((OUTSIDE, 7000), ""), 80, 0.0)
    opened = network.run_until(lambda: connection.state is rudp.State.ESTABLISHED, 5.0)
    assert opened is hairpin


def test_nobody_reaches_an_inner_address_from_outside() -> None:
    network = Network(delay=0.01)
    network.put_behind(Nat.full_cone(OUTSIDE), "10.0.0.2")
    network.host(INNER).table.listen(80)
    client = network.host(ONE)
    connection = client.table.open_active((INNER, ""), 80, 0.0)
    assert not network.run_until(lambda: connection.state is rudp.State.ESTABLISHED, 5.0)


def test_that_a_port_is_closed_is_heard_behind_a_nat() -> None:
    async def main() -> None:
        network = asyncio.get_running_loop().network  # type: ignore[attr-defined]
        network.put_behind(Nat(OUTSIDE), "10.0.0.2")
        with pytest.raises(ConnectionRefusedError):
            await rudp.open_connection("192.0.2.1", 80, local_addr=INNER)

    run(main(), delay=0.01)


def test_a_host_has_one_nat_and_an_address_one_owner() -> None:
    network = Network()
    network.put_behind(Nat(OUTSIDE), "10.0.0.2")
    with pytest.raises(ValueError, match="another NAT"):
        network.put_behind(Nat(OUTSIDE), "10.0.0.3")
    with pytest.raises(ValueError, match="already"):
        network.put_behind(Nat("203.0.113.2"), "10.0.0.2")
    with pytest.raises(ValueError, match="itself"):
        network.put_behind(Nat("203.0.113.3"), "203.0.113.3")


def test_the_fault_rebind_means_the_nat_that_is_there() -> None:
    """It is forgotten there, and what follows leaves from another port."""

    async def talk() -> list[Address]:
        network = asyncio.get_running_loop().network  # type: ignore[attr-defined]
        nat = network.put_behind(Nat(OUTSIDE), "10.0.0.2")
        seen: list[Address] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            seen.extend(outer for _, outer, _ in nat.mappings(0.0))
            await asyncio.sleep(3.0)
            writer.transport.abort()

        async with await rudp.start_server(serve, *ONE):
            reader, writer = await rudp.open_connection(*ONE, local_addr=INNER)
            writer.write(b"a")
            await asyncio.sleep(1.0)
            writer.write(b"b")  # from another port: the server knows no such connection
            with pytest.raises(ConnectionResetError):
                await reader.read()
            seen.extend(outer for _, outer, _ in nat.mappings(0.0))
        return seen

    simulation = Simulation(faults="c:data:2 rebind", delay=0.01)
    assert simulation.run(talk()) == [(OUTSIDE, 5000), (OUTSIDE, 5001)]
    assert [str(fault) for fault in simulation.happened] == ["c:data:2 rebind"]
