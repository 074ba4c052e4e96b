"""How fast the page of a long run is: opened in Chromium, and stepped through.

A simulated connection sends data and loses some of it until there are as many events as asked for;
all of them are in the page.  Opening counts from the navigation to the first frame with a ladder,
a step from the key to the end of layout.  On a busy machine both say more of the others than of the
page; so the CPU time of the page's main thread is told too, of a step the mean.  Needs
``playwright`` and a ``chromium``.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import rudp
from rudp import sim
from rudp.trace import EventLog, Recording, report

CLIENT: Final = ("10.0.0.1", 7000)
SERVER: Final = ("10.0.0.2", 7000)

BLOCK: Final = 200_000
"""Octets sent at once."""

OPENED: Final = """() => new Promise(done => {
  const look = () => document.querySelector(".ladder svg text")
    ? requestAnimationFrame(() => done(performance.now())) : requestAnimationFrame(look);
  look();
})"""

STEPPED: Final = """([keys, zooms]) => {
  const press = key => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  const measure = key => {
    const began = performance.now();
    press(key);
    document.body.getBoundingClientRect();
    return performance.now() - began;
  };
  return zooms.map(zoom => {
    press("0");
    for (let n = 0; n < Math.abs(zoom); n++) press(zoom > 0 ? "+" : "-");
    return keys.map(measure);
  });
}"""

ZOOMS: Final = {"as it opens": 0, "closer": 5, "all of it": -30}

KEYS: Final = ["ArrowRight"] * 40 + ["PageDown", "n", "p", "PageUp"] * 10


def run(events: int) -> Recording:
    """Return a run of so many *events*, or a few more."""
    log = EventLog(seed=1)
    network = sim.Network(delay=0.01, loss=0.002, seed=1)
    network.taps.append(log.tap)
    config = rudp.Config(mss=1012, mtu_discovery=False)
    server = network.host(SERVER, config)
    client = network.host(CLIENT, config)
    listener = server.table.listen(80, tracer=log.tracer("server"))
    ours = client.table.open_active(server.path, 80, network.clock.now, tracer=log.tracer("client"))
    assert network.run_until(lambda: bool(listener.accepted), limit=60.0)
    theirs = listener.accepted.popleft()
    while len(log.events) < events:
        ours.send(bytes(BLOCK))
        client.table.touch(ours)
        assert network.run_until(lambda: theirs.readable_octets >= BLOCK, limit=600.0)
        theirs.receive()
        server.table.touch(theirs)
    return log.recording


def measure(page: Path, rounds: int) -> dict[str, list[float]]:
    """Open *page* so often; return milliseconds, by what they were measured of."""
    from playwright.sync_api import sync_playwright

    steps = {name: f"step, {name}" for name in ZOOMS}
    found: dict[str, list[float]] = {
        name: [] for name in ("open", "open, CPU", *steps.values(), "step, CPU")
    }
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as profile:
        context = driver.chromium.launch_persistent_context(
            profile,
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            viewport={"width": 1400, "height": 1000},
        )
        for _ in range(rounds):
            tab = context.new_page()
            session = context.new_cdp_session(tab)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})

            def used(session: Any = session) -> float:
                metrics = session.send("Performance.getMetrics")["metrics"]
                told = {each["name"]: each["value"] for each in metrics}
                return float(told["TaskDuration"]) * 1000

            tab.goto(page.as_uri(), wait_until="commit")
            found["open"].append(tab.evaluate(OPENED))
            found["open, CPU"].append(used())
            if "left out" in tab.inner_text("#about"):
                sys.exit("these are too many events for a page")
            tab.fill("#scrubber", str(int(tab.get_attribute("#scrubber", "max") or 0) // 2))
            before = used()
            times: list[list[float]] = tab.evaluate(STEPPED, [KEYS, list(ZOOMS.values())])
            found["step, CPU"].append((used() - before) / (len(KEYS) * len(ZOOMS)))
            for name, each in zip(steps.values(), times, strict=True):
                found[name] += each
            tab.close()
        context.close()
    return found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if shutil.which("chromium") is None:
        sys.exit("there is no chromium")
    recording = run(options.events)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "run.html"
        report.save(page, recording)
        print(
            f"{len(recording.events)} events in a page of {page.stat().st_size / 1000:.0f} kB, "
            f"opened {options.rounds} times; milliseconds\n",
            flush=True,
        )
        rows = measure(page, options.rounds)
    print(f"{'':24}{'median':>8}{'worst':>8}")
    for name, times in rows.items():
        print(f"{name:24}{statistics.median(times):8.0f}{max(times):8.0f}")


if __name__ == "__main__":
    main()
