"""Goodput where the network loses, over a grid of round trips, losses and rates.

``python -m bench.lossy sim`` runs rudp alone on virtual time: quick, and the same every time.
``python -m bench.lossy real`` runs real sockets over :mod:`bench.link`, and the kernel's TCP over
the very same link, taking turns.  ``python -m bench.lossy fetch`` times short transfers instead.
"""

import argparse
import dataclasses
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path as File
from typing import Any, Final

import rudp
from bench import link
from bench.flow import CHUNK, controller
from rudp.sim import Network

RTTS: Final = (2.0, 20.0, 100.0, 200.0)
LOSSES: Final = (0.0, 0.1, 1.0, 3.0, 10.0)
RATES: Final = (10.0, 100.0)

KERNEL_NAMES: Final = {"newreno": "reno"}


@dataclasses.dataclass(frozen=True)
class Cell:
    """One path: *rtt* in ms, *loss* and *reorder* in percent, *rate* in Mbit/s.

    *burst*: losses come in bursts of four on average, as many in all.  *reorder*: late by 10 ms.
    """

    rtt: float
    loss: float
    rate: float
    burst: bool = False
    reorder: float = 0.0

    def __str__(self) -> str:
        burst = " in bursts" if self.burst else ""
        late = f", {self.reorder:g} % late" if self.reorder else ""
        return f"{self.rtt:g} ms, {self.loss:g} %{burst}{late}, {self.rate:g} Mbit/s"

    def links(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the options of the link that carries data, and of the way back."""
        rate = self.rate * 1e6
        plain: dict[str, Any] = {
            "delay": self.rtt / 2000,
            "rate": rate,
            "queue": link.one_bdp(rate, self.rtt / 1000),
        }
        loss = self.loss / 100
        if self.burst:
            spoiled = {"burst_enter": loss / (4 * (1 - loss)), "burst_exit": 0.25}
        else:
            spoiled = {"loss": loss}
        return plain | spoiled | {"reorder": self.reorder / 100, "reorder_delay": 0.01}, plain


def grid(rtts: list[float], losses: list[float], rates: list[float]) -> Iterator[Cell]:
    """Yield the cells of the grid, then those of bursts and of reordering."""
    for rate in rates:
        for rtt in rtts:
            for loss in losses:
                yield Cell(rtt, loss, rate)


def others(rtts: list[float], rates: list[float]) -> Iterator[Cell]:
    """Yield the cells with losses in bursts, and with reordering alone."""
    for rate in rates:
        for rtt in rtts:
            yield Cell(rtt, 1.0, rate, burst=True)
            yield Cell(rtt, 0.0, rate, reorder=1.0)


# -- on virtual time -----------------------------------------------------------------------------


def simulate(
    cell: Cell, congestion: str, *, seconds: float, skip: float, seed: int, **config: Any
) -> dict[str, float]:
    """Return the goodput in Mbit/s of one transfer on virtual time, and what was sent again."""
    forward, back = cell.links()
    network = Network(seed=seed)
    made = rudp.Config(congestion=controller(congestion), **config)
    sender = network.host(("10.0.0.1", 7000), made)
    receiver = network.host(("10.0.0.2", 7000), made)
    path = network.link("10.0.0.1", "10.0.0.2", **forward)
    network.link("10.0.0.2", "10.0.0.1", **back)
    listener = receiver.table.listen(7000)
    connection = sender.table.open_active(receiver.path, 7000, 0.0)
    if not network.run_until(lambda: bool(listener.accepted), limit=120.0):
        raise RuntimeError(f"no connection over {cell}")
    peer = listener.accepted.popleft()
    clock = network.clock
    start = clock.now + skip
    end = start + seconds
    octets = 0
    while clock.now < end:
        if connection.unsent_octets < len(CHUNK):
            while connection.unsent_octets < 4 * len(CHUNK):
                connection.send(CHUNK)
            sender.table.touch(connection)
        if not network.step():
            break
        data = peer.receive()
        if data:
            receiver.table.touch(peer)
            if clock.now >= start:
                octets += len(data)
    info = connection.info()
    gone = path.lost + path.dropped
    return {
        "goodput": octets * 8e-6 / seconds,
        "resent": info.resent / info.mss,
        "gone": gone,
        "sent": path.sent,
        "undone": info.undone,
    }


# -- over real sockets ---------------------------------------------------------------------------


class Sender:
    """A server at the sending end of *path*: of the kernel's TCP or of rudp."""

    def __init__(self, path: link.Path, network: str, congestion: str, config: str) -> None:
        self.network = network
        self.congestion = congestion
        self._path = path
        self._config = config if network == "rudp" else "{}"
        self._process = subprocess.Popen(
            path.command(0, self._flow("serve", "--congestion", congestion)),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = self._process.stdout.readline().strip()
        if not self.port:
            raise RuntimeError(f"no server for {self}")

    def __str__(self) -> str:
        return f"{self.network} {self.congestion}"

    def _flow(self, what: str, *arguments: str) -> list[str]:
        address = link.ADDRESSES[0]
        program = [sys.executable, "-m", "bench.flow", what, "--network", self.network]
        return [*program, "--host", address, "--config", self._config, *arguments]

    def measure(self, what: str, *arguments: str) -> dict[str, Any]:
        """Run a client at the other end; return what it found out."""
        command = self._path.command(1, self._flow(what, "--port", self.port, *arguments))
        before = self._path.counters()[0]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
        after = self._path.counters()[0]
        result: dict[str, Any] = json.loads(done.stdout)
        result["gone"] = sum(after[n] - before[n] for n in ("lost", "dropped"))
        result["sent"] = after["sent"] - before["sent"]
        return result

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def measure(
    cell: Cell, pairs: list[tuple[str, str]], what: list[str], rounds: int, config: str, seed: int
) -> dict[str, list[dict[str, Any]]]:
    """Let every sender take its turn over one link, *rounds* times."""
    results: dict[str, list[dict[str, Any]]] = {}
    with link.Path(*cell.links(), seed=seed) as path:
        senders: list[Sender] = []
        try:
            for network, congestion in pairs:
                senders.append(Sender(path, network, congestion, config))
            for _ in range(rounds):
                for sender in senders:
                    results.setdefault(str(sender), []).append(sender.measure(*what))
        finally:
            for sender in senders:
                sender.stop()
    return results


# -- the command line ----------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m bench.lossy", description=__doc__.partition("\n\n")[0] if __doc__ else None
    )
    made.add_argument("mode", choices=["sim", "real", "fetch"])
    made.add_argument("--rtt", type=float, nargs="+", default=list(RTTS), help="ms")
    made.add_argument("--loss", type=float, nargs="+", default=list(LOSSES), help="percent")
    made.add_argument("--rate", type=float, nargs="+", default=list(RATES), help="Mbit/s")
    made.add_argument(
        "--controllers",
        nargs="+",
        default=["cubic", "bbr:0.3", "bbr"],
        help="of rudp; bbr:0.3 raises the loss threshold; the kernel runs what has the same name",
    )
    made.add_argument("--others", action="store_true", help="bursts and reordering, not the grid")
    made.add_argument("--rounds", type=int, default=3, help="turns of each sender (3)")
    made.add_argument("--seconds", type=float, default=8.0, help="measured, of each turn (8)")
    made.add_argument("--skip", type=float, default=2.0, help="start-up seconds before that (2)")
    made.add_argument("--times", type=int, default=10, help="fetches in each turn (10)")
    made.add_argument("--octets", type=int, default=100_000, help="of a fetch (100,000)")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--config", default="{}", metavar="JSON", help="more settings of rudp")
    made.add_argument("--json", type=File, metavar="FILE", help="write everything that was found")
    return made


def main() -> None:
    arguments = parser()
    o = arguments.parse_args()
    cells = list(others(o.rtt, o.rate) if o.others else grid(o.rtt, o.loss, o.rate))
    if o.mode == "sim":
        found = _simulated(cells, o)
    else:
        reason = link.missing()
        if reason is not None:
            arguments.exit(1, f"python -m bench.lossy: {reason}\n")
        found = _fetched(cells, o) if o.mode == "fetch" else _measured(cells, o)
    if o.json is not None:
        o.json.write_text(json.dumps(found, indent=1) + "\n")


def _simulated(cells: list[Cell], o: argparse.Namespace) -> list[dict[str, Any]]:
    print(f"{'':<34}" + "".join(f"{name:>12}" for name in o.controllers))
    found = []
    for cell in cells:
        figures = []
        for name in o.controllers:
            result = simulate(
                cell, name, seconds=o.seconds, skip=o.skip, seed=o.seed, **json.loads(o.config)
            )
            figures.append(result["goodput"])
            found.append({"cell": str(cell), "congestion": name} | result)
        print(f"{cell!s:<34}" + "".join(f"{figure:12.2f}" for figure in figures), flush=True)
    return found


def _pairs(controllers: list[str]) -> list[tuple[str, str]]:
    """Return every sender: rudp's controllers, and the kernel's of the same names, once each."""
    pairs: list[tuple[str, str]] = []
    for name in controllers:
        kind = name.partition(":")[0]
        pair = "tcp", KERNEL_NAMES.get(kind, kind)
        if pair not in pairs:
            pairs.append(pair)
        pairs.append(("rudp", name))
    return pairs


def _measured(cells: list[Cell], o: argparse.Namespace) -> list[dict[str, Any]]:
    found = []
    what = ["bulk", "--skip", str(o.skip), "--seconds", str(o.seconds)]
    print("Mbit/s, medians; the ratio to the kernel's TCP; resent beyond what the link lost")
    for cell in cells:
        results = measure(cell, _pairs(o.controllers), what, o.rounds, o.config, o.seed)
        medians = {who: statistics.median(r["goodput"] for r in rs) for who, rs in results.items()}
        columns = []
        for who, runs in results.items():
            network, _, name = who.partition(" ")
            kernel = medians.get(f"tcp {KERNEL_NAMES.get(name, name.partition(':')[0])}", math.nan)
            text = f"{who} {medians[who]:.2f}"
            if network == "rudp":
                spare = sum(r.get("resent", 0) - r["gone"] for r in runs)
                share = 100 * spare / max(sum(r["sent"] for r in runs), 1)
                text += f" ({medians[who] / kernel:.2f} x, {share:+.2f} %)"
            columns.append(text)
        print(f"{cell!s:<30} {'   '.join(columns)}", flush=True)
        found.append({"cell": str(cell), "results": results})
    return found


def _fetched(cells: list[Cell], o: argparse.Namespace) -> list[dict[str, Any]]:
    found = []
    what = ["fetch", "--octets", str(o.octets), "--times", str(o.times)]
    print("seconds: median, 95th percentile")
    for cell in cells:
        results = measure(cell, _pairs(o.controllers), what, o.rounds, o.config, o.seed)
        columns = []
        for who, runs in results.items():
            took = sorted(second for run in runs for second in run["seconds"])
            late = took[min(len(took) * 95 // 100, len(took) - 1)]
            columns.append(f"{who} {statistics.median(took):.3f} {late:.3f}")
        print(f"{cell!s:<30} {'   '.join(columns)}", flush=True)
        found.append({"cell": str(cell), "results": results})
    return found


if __name__ == "__main__":
    main()
