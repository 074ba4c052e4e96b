"""The scenarios: each a few user calls at two ends, and what there is to see in them.

A script plays on a :class:`rudp.cli.demo.stage.Place`, or needs the virtual one.  What is special
about its path or its settings stands in the table at the end, so that a script tells what users do
and nothing else.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Final

import rudp
from rudp.cli.demo import attacks
from rudp.cli.demo.faults import Fault
from rudp.cli.demo.stage import CLIENT_PORT, NATS, PORT, Place, Stage
from rudp.sim import DualPi2

SEGMENT: Final = 1000
"""Octets of data in a full segment of all scenarios."""

TICKS_PER_SECOND: Final = 250_000
"""How fast the clock behind initial sequence numbers goes (RFC 9293 §3.4.1)."""

AnyPlace = Place[Any]


@dataclasses.dataclass(frozen=True)
class Quiz:
    """A question that the ladder answers; the first of *choices* is right."""

    question: str
    choices: tuple[str, ...]
    because: str


@dataclasses.dataclass(frozen=True)
class Scenario:
    """What is played and how.

    *script*: the user calls.  *title*, *look*: what it is about, and what to look for.  *settings*:
    of :class:`rudp.Config`, where they differ from those of all scenarios.  *faults*: the segments
    that are lost.  *options*: of the ladder.  *graph*: show the congestion window too.  *virtual*:
    why it needs a :class:`Stage`, "" if any :class:`Place` will do.
    """

    name: str
    script: Callable[[Any], None]
    title: str
    look: str
    quiz: Quiz
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    faults: tuple[str, ...] = ()
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    graph: bool = False
    virtual: str = ""

    def config(self, **changes: Any) -> rudp.Config:
        """Return the settings of both ends: without ECN the bits are those of the RFC's figures."""
        base: dict[str, Any] = {"mss": SEGMENT + 12, "mtu_discovery": False, "ecn": "off"}  # 12: TS
        return rudp.Config(**(base | self.settings | changes))

    def losses(self) -> tuple[Fault, ...]:
        """Return the segments that are lost unless somebody names others."""
        return tuple(Fault.parse(text) for text in self.faults)


def handshake(stage: AnyPlace) -> None:
    """Open a connection and leave it open."""
    stage.open()
    stage.wait(0.1)


def close(stage: AnyPlace) -> None:
    """The server has nothing left to say when the client closes."""
    stage.open()
    stage.close()


def half_close(stage: AnyPlace) -> None:
    """The client asks and closes; the server takes its time."""
    stage.open()
    stage.client.send(100)
    stage.client.shut_down()
    stage.server.read_to_end()
    stage.server.send(700)
    stage.wait(0.1)
    stage.server.send(300)
    stage.wait(0.1)
    stage.server.shut_down()
    stage.settle()


def simultaneous_close(stage: AnyPlace) -> None:
    """Both close before they hear of each other."""
    stage.open()
    stage.wait(0.1)
    stage.client.shut_down()
    stage.server.shut_down()
    stage.settle()


def simultaneous_open(stage: Stage) -> None:
    """Both connect, and nobody listens."""
    stage.client.connect(stage.server)
    stage.server.connect(stage.client, port=CLIENT_PORT, local_port=PORT)
    stage.until(lambda: stage.client.state is stage.server.state is rudp.State.ESTABLISHED)
    stage.wait(0.1)


def punch(stage: Stage) -> None:
    """Both connect through NATs, the client too early."""
    addresses = stage.behind_nats()
    rtt = stage.network.link(*NATS.values()).options["delay"] * 2
    stage.client.connect(stage.server, address=addresses["server"])
    stage.wait(1.0 - rtt / 4)  # its SYN goes out again after a second
    stage.server.connect(
        stage.client, port=CLIENT_PORT, local_port=PORT, address=addresses["client"]
    )
    stage.until(lambda: stage.client.state is stage.server.state is rudp.State.ESTABLISHED)
    stage.wait(0.1)


def transfer(stage: AnyPlace) -> None:
    """The client sends eight segments, and the server reads them."""
    stage.open()
    stage.client.send(8 * SEGMENT)
    stage.server.read(8 * SEGMENT)
    stage.wait(1.0)


def one_segment(stage: AnyPlace) -> None:
    """The client sends one segment."""
    stage.open()
    stage.client.send(SEGMENT)
    stage.server.read(SEGMENT)
    stage.wait(1.0)


def reorder(stage: Stage) -> None:
    """The second of four segments takes a way that is 4 ms longer."""
    stage.open()
    stage.wait(0.05)
    stage.client.send(SEGMENT)
    stage.wait(0.001)
    with stage.detour(stage.client, 0.004):
        stage.client.send(SEGMENT)
    for _ in range(2):
        stage.wait(0.001)
        stage.client.send(SEGMENT)
    stage.server.read(4 * SEGMENT)
    stage.wait(0.2)


def zero_window(stage: AnyPlace) -> None:
    """The server rests for two seconds; its buffer takes five segments."""
    stage.open()
    stage.client.send(8 * SEGMENT)
    stage.wait(2.0)
    stage.server.read(5 * SEGMENT)
    stage.server.read(3 * SEGMENT)
    stage.wait(0.1)


def silly_window(stage: AnyPlace) -> None:
    """The server's buffer is full, and it reads 250 octets at a time."""
    stage.open()
    stage.client.send(8 * SEGMENT)
    stage.wait(0.1)
    for _ in range(32):
        stage.server.read(250)
        stage.wait(0.03)


def cwnd(stage: AnyPlace) -> None:
    """The client sends 500 segments into a path of 5 Mbit/s with a short queue."""
    stage.bottleneck(rate=5e6, queue=20_000)
    stage.open()
    stage.client.send(500 * SEGMENT)
    stage.server.read_all(500 * SEGMENT)
    stage.wait(0.1)


def ecn(stage: Stage) -> None:
    """The client sends eight segments; a router marks what finds 4,000 octets before it."""
    stage.router(rate=5e6, queue=20_000, mark=4000)
    stage.open()
    stage.wait(0.05)
    stage.client.send(8 * SEGMENT)
    stage.server.read(8 * SEGMENT)
    stage.wait(0.05)
    stage.client.send(3 * SEGMENT)
    stage.server.read(3 * SEGMENT)
    stage.wait(0.1)


def l4s(stage: Stage) -> None:
    """The client fills a link; and once more with CUBIC, before a queue that only drops."""
    rate, octets = 20e6, 2000 * SEGMENT
    rtt = 2 * stage.network.link(stage.client.address[0], stage.server.address[0]).options["delay"]
    cubic = Stage(dataclasses.replace(stage.config, congestion="cubic"), rtt=rtt, seed=stage.seed)
    queue = max(int(rate * rtt / 8), 30_000)
    for place, what, name in (
        (stage, DualPi2(), "Prague, DualPI2"),
        (cubic, queue, "CUBIC, drop-tail"),
    ):
        waits = place.router(rate, what)
        place.open()
        began = place.now
        place.client.send(octets)
        place.server.read_all(octets)
        half, most = (waits.percentile(share, began + 0.4) * 1e3 for share in (0.5, 0.99))
        speed = octets * 8 / (place.now - began) / 1e6
        stage.note(f"{name}: {speed:.1f} Mbit/s, {half:.1f} ms in the queue, {most:.1f} ms at p99")
        place.wait(0.1)


def abort(stage: AnyPlace) -> None:
    """The client gives up while the server still sends."""
    stage.open()
    stage.server.send(3 * SEGMENT)
    stage.wait(0.005)
    stage.client.abort()
    stage.settle()


def restart(stage: Stage) -> None:
    """The client's machine crashes and connects again from the same port."""
    stage.open()
    stage.wait(0.1)
    stage.client.boot()
    stage.client.connect(stage.server)
    stage.server.accept()
    stage.wait(0.1)


def keep_alive(stage: Stage) -> None:
    """After a word nobody has anything to say, and after half a minute the path breaks."""
    stage.open()
    stage.client.send(100)
    stage.server.read(100)
    stage.client.connection.set_keepalive(True, 10.0, 5.0, 3)
    stage.wait(25.0)
    stage.cut()
    stage.until(lambda: stage.client.state is rudp.State.CLOSED)


def wrap(stage: Stage) -> None:
    """The connection opens when its initial sequence number is just below 2**32."""
    probe = Stage(stage.config, rtt=0.02, seed=stage.seed)
    probe.client.connect(probe.server)
    iss, _, _, _ = probe.client.connection.initial_numbers
    stage.wait((2**32 - iss - 2 * SEGMENT) / TICKS_PER_SECOND)
    stage.open()
    stage.client.send(5 * SEGMENT)
    stage.server.read(5 * SEGMENT)
    stage.wait(0.1)


_TABLE: Final = (
    Scenario(
        "handshake",
        handshake,
        "Three segments open a connection.",
        "Each side sends a SYN and has it acknowledged; SYN,ACK does two things at once. The "
        "client is ESTABLISHED one round trip after its SYN, the server half a round trip later.",
        Quiz(
            "Why is the third segment needed?",
            (
                "The server must know that its SYN has arrived.",
                "It carries the first octet of data.",
                "It tells the server the port of the client.",
            ),
            "Each direction has an initial number of its own, and each has to be acknowledged.",
        ),
    ),
    Scenario(
        "close",
        close,
        "Each direction is closed by itself.",
        "A FIN takes a sequence number and is acknowledged like data. The client closed first, so "
        "it is the one that stays in TIME-WAIT, and goes when twice the segment lifetime is over.",
        Quiz(
            "Which side is in TIME-WAIT at the end?",
            ("The one that closed first.", "The one that closed last.", "Always the client."),
            "Its ACK of the other FIN may be lost, and somebody must be there to repeat it.",
        ),
    ),
    Scenario(
        "half-close",
        half_close,
        "One side is done, and the other is not.",
        "After its FIN the client may still receive: FIN-WAIT-2 and CLOSE-WAIT last as long as the "
        "server has data. That is why closing takes four segments and not three.",
        Quiz(
            "In which state does the server send its data?",
            ("CLOSE-WAIT", "ESTABLISHED", "LAST-ACK"),
            "It has received a FIN and waits for its own user to close.",
        ),
    ),
    Scenario(
        "time-wait",
        close,
        "The last acknowledgement is lost.",
        "The server repeats its FIN, and there is somebody who answers: the client in TIME-WAIT. "
        "The wait of two segment lifetimes begins anew then.",
        Quiz(
            "What would the server hear if the client had forgotten the connection at once?",
            ("A RST.", "Nothing at all.", "An ACK, from the listener."),
            "A segment of a connection that does not exist is answered with a RST.",
        ),
        faults=("c:ack:2",),
    ),
    Scenario(
        "isn",
        attacks.isn,
        "Who does not know the sequence numbers cannot end a connection.",
        "The numbers are those of the wire. The first forged RST lies outside the window and is "
        "dropped; the second lies inside, but is not exact, so the client asks: a challenge ACK. "
        "The connection lives on.",
        Quiz(
            "How likely does one blind RST hit the exact number?",
            ("1 in 4,294,967,296", "1 in 65,536", "1 in 250,000"),
            "RCV.NXT has 32 bits, and where they began was random (RFC 6528).",
        ),
        options={"absolute": True},
        virtual="it forges segments",
    ),
    Scenario(
        "loss",
        transfer,
        "A segment is lost, and what came after it tells.",
        "The server acknowledges what it still waits for, and reports with SACK what it has "
        "beyond. The client sends again that one segment and nothing else.",
        Quiz(
            "What does the client send again after the loss of its second segment?",
            ("That segment alone.", "Everything from that segment on.", "All that it has sent."),
            "SACK has told it what has arrived.",
        ),
        faults=("c:data:2",),
    ),
    Scenario(
        "fast-retransmit",
        transfer,
        "Three duplicate acknowledgements stand for a loss.",
        "There is no SACK here, as in 1990: every segment beyond the hole is answered with the "
        "same ACK. The third repetition is taken for a loss, long before the time-out.",
        Quiz(
            "Why not retransmit at the first duplicate ACK?",
            (
                "The segment may only be late.",
                "The window is shut.",
                "Duplicate ACKs are often lost.",
            ),
            "Reordering makes duplicate ACKs too.",
        ),
        settings={"sack": False, "loss_detection": "rfc6675", "timestamps": False},
        faults=("c:data:2",),
    ),
    Scenario(
        "rto",
        one_segment,
        "Nothing comes back, so a timer has to notice.",
        "With no later segment there is no ACK that could tell of the loss. The time-out doubles "
        "each time (RFC 6298).",
        Quiz(
            "After the second time-out in a row, how long is the third?",
            ("Four times the first.", "As long as the first.", "Three times the first."),
            "It is doubled at each time-out.",
        ),
        settings={"tail_loss_probe": False},
        faults=("c:data:1", "c:data:2"),
    ),
    Scenario(
        "reorder",
        reorder,
        "A segment is overtaken, and that is no loss.",
        "The server reports the hole at once. The client waits for a quarter of a round trip "
        "before it calls the segment lost (RFC 8985), and the segment comes in time: nothing is "
        "sent again.",
        Quiz(
            "What does the ACK for the third segment acknowledge?",
            ("The first segment only.", "The first three.", "The third only."),
            "ACK names the next octet in order; what lies beyond the hole is in SACK.",
        ),
        virtual="its segments are sent a millisecond apart",
    ),
    Scenario(
        "zero-window",
        zero_window,
        "The receiver has no room, and says so.",
        "With win=0 the client may send nothing but a probe, so that the news of an open window "
        "cannot be lost for good. The probes come at growing intervals.",
        Quiz(
            "Why does the client probe, if the server will tell it of new room?",
            (
                "That message could be lost, and nobody would repeat it.",
                "To keep the path's queue full.",
                "To measure the round trip.",
            ),
            "An ACK without data is never retransmitted.",
        ),
        settings={"receive_buffer": 5 * SEGMENT, "receive_buffer_max": 5 * SEGMENT},
    ),
    Scenario(
        "silly-window",
        silly_window,
        "A little room is not worth a segment.",
        "The server reads 250 octets at a time, but opens its window only when a full segment or "
        "half its buffer fits, so that segments stay large (RFC 9293 §3.8.6.2.2).",
        Quiz(
            "What would happen if every 250 octets of room were announced?",
            (
                "The client would send segments of 250 octets for ever.",
                "The transfer would be faster.",
                "The window would never open again.",
            ),
            "That is the silly window syndrome: small windows beget small segments.",
        ),
        settings={"receive_buffer": 5 * SEGMENT, "receive_buffer_max": 5 * SEGMENT},
    ),
    Scenario(
        "cwnd",
        cwnd,
        "How many segments may be on their way?",
        "cwnd begins with ten segments and grows by one for each that is acknowledged, until the "
        "queue overflows. Then ssthresh remembers where that was, and growth is careful.",
        Quiz(
            "How does cwnd grow in slow start?",
            (
                "It doubles in each round trip.",
                "By one segment in each round trip.",
                "It does not grow.",
            ),
            "One segment more for each segment acknowledged is a doubling.",
        ),
        graph=True,
        options={"fold": 5},
    ),
    Scenario(
        "ecn",
        ecn,
        "A router marks what it would soon have to drop.",
        "The SYN offers to count marks (RFC 9768): its three bits AE, CWR and ECE are set. Data "
        "that found a queue arrives with CE in its IP header, and the counter in the "
        "acknowledgements, ace, goes on with each: it begins at 5, and 0 follows 7. Nothing is "
        "lost or sent again, but the window shrinks as if.",
        Quiz(
            "What does the router do with a segment that finds a long queue?",
            ("It changes two bits of its IP header.", "It drops it.", "It sends it back."),
            "CE, congestion experienced, takes the place of ECT, which the sender has set there.",
        ),
        settings={"ecn": "accurate"},
        options={"fold": 100},
        graph=True,
        virtual="its router looks into IP headers",
    ),
    Scenario(
        "l4s",
        l4s,
        "A full link whose queue is empty.",
        "The router has two queues (DualPI2, RFC 9332). Prague asks for the short one with ECT(1), "
        "is marked there as soon as a millisecond's worth waits, and answers each mark with very "
        "little. Below the ladder is how long segments waited once it was going, and "
        "how long with CUBIC before a queue that only drops.",
        Quiz(
            "How much does Prague take from its window when one segment in twenty was marked?",
            ("A fortieth.", "Half.", "Three tenths."),
            "Half of the share that was marked, once in a round trip.",
        ),
        settings={"congestion": "prague", "ecn": "accurate"},
        options={"fold": 5},
        graph=True,
        virtual="its router has two queues",
    ),
    Scenario(
        "simultaneous-open",
        simultaneous_open,
        "Both sides connect at the same moment.",
        "The SYNs cross. Each side goes to SYN-RECEIVED, repeats its SYN with an ACK, and one "
        "connection comes of it, not two (RFC 9293 Figure 7).",
        Quiz(
            "How many connections are there in the end?",
            ("One.", "Two.", "None, the SYNs cancel each other."),
            "A connection is named by its four addresses and ports, and these are the same.",
        ),
        virtual="programs have no call for it",
    ),
    Scenario(
        "punch",
        punch,
        "Two sides that nobody can connect to connect to each other.",
        "Each is behind a NAT, which lets in what looks like an answer. The first SYN comes to one "
        "that has sent nothing yet, and is dropped. But it has opened the NAT that it left "
        "by: the SYN of the other side looks like the answer to it. The two cross, and the "
        "connection is open on both sides.",
        Quiz(
            "What has the first SYN done, which never arrived?",
            (
                "It has opened its own NAT for the peer.",
                "Nothing at all.",
                "It has told the peer's NAT who will come.",
            ),
            "A NAT that drops a datagram remembers nothing of it; one that sends it does.",
        ),
        virtual="it needs two NATs",
    ),
    Scenario(
        "blind",
        attacks.blind,
        "Whoever merely guesses is asked, and cannot answer.",
        "Four forged segments come to the client; the server has sent none of them. To each that "
        "lies in the window, or might be the server's after all, the client answers with an ACK "
        "that says what it expects (RFC 5961), and does nothing else. The true server would know "
        "what to make of that.",
        Quiz(
            "What does the client do with data whose number fits, and whose ACK does not?",
            ("It drops it, and says what it expects.", "It takes it.", "It resets."),
            "Who has guessed one number right has to guess the other, too (RFC 5961 §5).",
        ),
        settings={"timestamps": False},
        options={"absolute": True},
        virtual="it forges segments",
    ),
    Scenario(
        "overheard",
        attacks.overheard,
        "Whoever reads along has all the numbers, and is believed.",
        "The order is taken for the server's, for it fits to the octet, and so does the reset. The "
        "server knows nothing of either: when it sends, nobody is there any more.",
        Quiz(
            "What protects a connection against somebody who sees its segments?",
            ("A secret that he does not see.", "Random initial numbers.", "Challenge ACKs."),
            "All that a segment needs to be believed stands in the one before it.",
        ),
        virtual="it forges segments",
    ),
    Scenario(
        "signed",
        attacks.overheard,
        "With a key, numbers that fit are not enough.",
        "The same attack. Both ends sign each segment with a key (RFC 5925). The forged ones fit "
        "to the octet and are not signed: they are dropped without a word, and nothing changes.",
        Quiz(
            "What does the client answer to the forged reset?",
            ("Nothing.", "A challenge ACK.", "A RST."),
            "Who has no key does not even learn that somebody is there.",
        ),
        settings={"keys": (attacks.KEY,)},
        virtual="it forges segments",
    ),
    Scenario(
        "simultaneous-close",
        simultaneous_close,
        "Both sides close at the same moment.",
        "The FINs cross. Each side is in CLOSING until its FIN is acknowledged, and both stay in "
        "TIME-WAIT (RFC 9293 Figure 13).",
        Quiz(
            "Which side is in TIME-WAIT?",
            ("Both.", "Neither.", "The client."),
            "Each has sent the ACK of a FIN that may be lost.",
        ),
    ),
    Scenario(
        "reset",
        abort,
        "An abort does not wait for anything.",
        "A RST ends the connection on both sides at once: no FIN, no TIME-WAIT, and what is on its "
        "way is lost. It is not acknowledged.",
        Quiz(
            "How does the client answer the data that still arrives after its RST?",
            ("With a RST.", "With an ACK.", "It says nothing."),
            "There is no such connection any more.",
        ),
    ),
    Scenario(
        "restart",
        restart,
        "One side forgets everything and connects again from the same port.",
        "The server still has the old connection and asks back with an ACK. That acknowledges "
        "nothing the client knows of, so it answers with a RST; its SYN, sent again, is a new "
        "connection (RFC 9293 Figure 9).",
        Quiz(
            "Why does the server not simply accept the new SYN?",
            (
                "Anybody could forge one and end the connection.",
                "It has no room for a second one.",
                "A SYN is only accepted from a new port.",
            ),
            "The challenge ACK of RFC 5961 makes the other side prove that it has really "
            "forgotten.",
        ),
        virtual="it crashes a machine",
    ),
    Scenario(
        "keep-alive",
        keep_alive,
        "Is the other side still there?",
        "After ten quiet seconds the client sends a segment that is one octet too old, which the "
        "server must answer. When no probe is answered any more, the connection is given up.",
        Quiz(
            "Why does the probe have a number that is one too low?",
            (
                "So that the peer must answer, whatever its state.",
                "So that it is not delayed in the network.",
                "To find a lost octet.",
            ),
            "A segment outside the window is answered with an ACK and is otherwise ignored.",
        ),
        virtual="it takes 45 seconds and breaks the path",
    ),
    Scenario(
        "wrap",
        wrap,
        "After 4294967295 comes 0.",
        "The numbers are those of the wire. In the middle of the transfer they begin again at 0, "
        "and nobody minds: they are compared modulo 2**32.",
        Quiz(
            "Is 5 larger than 4294967290 among sequence numbers?",
            ("Yes, by 11.", "No, it is much smaller.", "They cannot be compared."),
            "The difference modulo 2**32 is less than half the space (RFC 9293 §3.4).",
        ),
        options={"absolute": True},
        virtual="the clock of the sequence numbers takes 4.8 hours to come round",
    ),
)

SCENARIOS: Final = {scenario.name: scenario for scenario in _TABLE}
