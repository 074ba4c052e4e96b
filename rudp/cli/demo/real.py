"""A stage of two processes: the same scripts over real UDP sockets and in real time.

Between the client and the server lies a third socket, the path, with its delay and its losses.
Both processes tell time by the same clock, so their events make one story.
"""

import contextlib
import dataclasses
import json
import subprocess
import sys
import time
from typing import Any, Final

from rudp.cli.demo.faults import Fault
from rudp.cli.demo.scenarios import Scenario
from rudp.cli.demo.stage import End, Place, StuckError
from rudp.trace import Recording, segment
from rudp.trace.events import Event, Header, SegmentLost, SegmentSent, decode, library_version

MSL: Final = 0.25
"""Seconds of a maximum segment lifetime; TIME-WAIT lasts twice as long."""

PATIENCE: Final = 30.0
"""Seconds after which a process that does not end is killed."""


class RealEnd(End):
    """An end in a process of its own."""

    def __init__(self, name: str, scenario: str, capture: str | None) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rudp.cli.demo.end"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.call("begin", end=name, scenario=scenario, msl=MSL, capture=capture)

    def call(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Let the process do something; return its answer.  Raises :class:`StuckError`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps({"do": command} | arguments), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise StuckError(f"the process of the {self.name} has ended") from None
        line = self._process.stdout.readline()
        if not line:
            raise StuckError(f"the process of the {self.name} has ended")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise StuckError(f"{self.name}: {answer['error']}")
        return answer

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate(timeout=PATIENCE)

    def send(self, octets: int) -> None:
        self.call("send", octets=octets)

    def read(self, octets: int) -> None:
        self.call("read", octets=octets)

    def read_all(self, octets: int) -> None:
        self.call("read", octets=octets)

    def read_to_end(self) -> None:
        self.call("read", octets=None)

    def shut_down(self) -> None:
        self.call("shut_down")

    def abort(self) -> None:
        self.call("abort")


class RealStage(Place[RealEnd]):
    """Two processes; use it in a ``with`` statement, which ends them."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        rtt: float,
        loss: float,
        seed: int,
        faults: tuple[Fault, ...],
        capture: str | None,
    ) -> None:
        self._rtt = rtt
        self._path: dict[str, Any] = {
            "delay": rtt / 2,
            "loss": loss,
            "seed": seed,
            "faults": [str(each) for each in faults],
        }
        self._limits: dict[str, Any] = {}
        with contextlib.ExitStack() as stack:
            self.client = RealEnd("client", scenario.name, capture)
            stack.callback(self.client.end)
            self.server = RealEnd("server", scenario.name, None)
            stack.callback(self.server.end)
            self._stack = stack.pop_all()

    def __enter__(self) -> "RealStage":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def open(self) -> None:
        self.client.call("connect", **self.server.call("listen", limits=self._limits, **self._path))
        self.server.call("accept")

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def settle(self) -> None:
        for end in (self.client, self.server):
            end.call("settle")
        self.wait(self._rtt)  # for segments that nobody waits for

    def bottleneck(self, rate: float, queue: int) -> None:
        self._limits = {"rate": rate, "queue": queue}

    def recording(self, seed: int, script: Any) -> Recording:
        """Return what happened at both ends, as one story; nothing more can be done then."""
        answers = [end.call("finish") for end in (self.client, self.server)]
        events = [decode(fields) for answer in answers for fields in answer["events"]]
        for now, side, header in answers[1]["lost"]:
            events += _loss(events, now, side, bytes.fromhex(header))
        events.sort(key=lambda event: event.time)
        start = events[0].time if events else 0.0
        shifted = [_shifted(event, start) for event in events]
        header = Header(seed, script, ("client", "server"), library_version())
        return Recording(header, shifted)


def _loss(events: list[Event], now: float, side: str, header: bytes) -> list[Event]:
    """Return the loss of the latest segment of *side* that has this *header*."""
    lost = segment.parse(header)
    assert lost is not None, "it was counted as a segment"
    mark = lost.seq, lost.ack, lost.options.tsval
    sent = [
        event
        for event in events
        if isinstance(event, SegmentSent)
        and event.connection.partition("#")[0] == side
        and event.time <= now
        and (event.segment.wire_seq, event.segment.wire_ack, event.segment.tsval) == mark
    ]
    return [SegmentLost(each.time, each.connection, each.segment) for each in sent[-1:]]


def _shifted(event: Event, start: float) -> Event:
    """Return *event* with times since *start*."""
    fields: dict[str, Any] = {"time": round(event.time - start, 6)}
    if getattr(event, "expires", None) is not None:
        fields["expires"] = round(event.expires - start, 6)  # type: ignore[attr-defined]
    if hasattr(event, "timers"):
        fields["timers"] = {name: round(at - start, 6) for name, at in event.timers.items()}
    return dataclasses.replace(event, **fields)
