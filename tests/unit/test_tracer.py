"""What a tracer is told: every segment and move of a connection, its TIME-WAIT record included."""

from rudp import sim
from rudp.config import Config
from rudp.core.segment import wire
from rudp.core.segment.transmit import Transmit
from rudp.core.segment.wire import ACK, FIN, SYN, Run
from rudp.core.terms.state import Cause, State
from rudp.core.terms.why import Why
from rudp.core.watch.tracer import Tracer, Watched


class Notes(Tracer):
    """A tracer that keeps one word for each event."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def run_sent(self, who: Watched, transmit: Transmit, why: Why, now: float) -> None:
        flags = transmit.buffers[0][13]
        self.words.append(f"{who.state} sends {wire.flag_names(flags)}: {why.name}")

    def run_received(self, who: Watched, run: Run, now: float) -> None:
        self.words.append(f"{who.state} gets {wire.flag_names(run.flags)}")

    def state_moved(
        self, who: Watched, before: State, after: State, cause: Cause, now: float
    ) -> None:
        self.words.append(f"-> {after}: {cause.value}")

    def timer_fired(self, who: Watched, timer: str, now: float) -> None:
        self.words.append(f"{timer} expires")


def test_a_tracer_is_told_of_the_whole_life_of_a_connection() -> None:
    """TIME-WAIT, too, answers the repeated FIN before the eyes of the tracer (TW-10)."""
    network = sim.Network(delay=0.01)
    plain = Config(ecn="off")
    server = network.host(("10.0.0.2", 7000), plain)
    client = network.host(("10.0.0.1", 7000), plain)
    listener = server.table.listen(80)
    notes = Notes()
    ours = client.table.open_active(server.path, 80, network.clock.now, tracer=notes)
    assert network.run_until(lambda: listener.accepted, limit=10.0)
    theirs = listener.accepted.popleft()
    ours.close(network.clock.now)
    client.table.touch(ours)
    assert network.run_until(lambda: theirs.fin_received, limit=10.0)
    theirs.close(network.clock.now)
    server.table.touch(theirs)
    network.link("10.0.0.1", "10.0.0.2", loss=1.0)  # the ACK of the server's FIN is lost
    assert network.run_until(lambda: client.table.time_wait_records, limit=10.0)
    network.link("10.0.0.1", "10.0.0.2", loss=0.0)
    assert network.run_until(lambda: client.table.is_empty, limit=300.0)

    assert theirs.state is State.CLOSED
    assert notes.words == [
        "-> SYN-SENT: active OPEN",
        f"SYN-SENT sends {wire.flag_names(SYN)}: SYN_OPEN",
        f"SYN-SENT gets {wire.flag_names(SYN | ACK)}",
        "-> ESTABLISHED: rcv SYN,ACK",
        f"ESTABLISHED sends {wire.flag_names(ACK)}: ACK_OF_SYN",
        "-> FIN-WAIT-1: CLOSE",
        f"FIN-WAIT-1 sends {wire.flag_names(FIN | ACK)}: FIN_CLOSE",
        f"FIN-WAIT-1 gets {wire.flag_names(ACK)}",
        "-> FIN-WAIT-2: rcv ACK of FIN",
        f"FIN-WAIT-2 gets {wire.flag_names(FIN | ACK)}",
        "-> TIME-WAIT: rcv FIN",
        f"TIME-WAIT sends {wire.flag_names(ACK)}: FIN_RECEIVED",
        f"TIME-WAIT gets {wire.flag_names(FIN | ACK)}",
        f"TIME-WAIT sends {wire.flag_names(ACK)}: TIME_WAIT_ACK",
        "2MSL expires",
        "-> CLOSED: 2MSL timeout",
    ]
