"""The playground in a browser: Chromium, headless, with the Python that the site brings along.

The site is served on the loopback interface.  Pyodide comes from the user's cache, or through npm.
"""

import functools
import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rudp.playground import run
from rudp.playground.pinned import HELPERS, FetchError
from rudp.playground.scenarios import SCENARIOS
from rudp.playground.site import build
from tests.labs.solutions import SLIPS, SOLUTIONS
from tests.report.test_browser import ARGUMENTS, CHROMIUM

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium"),
]

TIMEOUT = 120_000
"""Milliseconds, of a machine that is busy."""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """One that says nothing; it is what ``python -m http.server`` serves with."""

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    try:
        without = build(folder)
    except FetchError as error:
        pytest.skip(str(error))
    if without:
        pytest.skip(without[0])
    return folder


def serve(folder: Path) -> http.server.ThreadingHTTPServer:
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    server = serve(site)
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with playwright.sync_playwright() as made:
        yield made


def browser(driver: Any, profile: Path, **options: Any) -> "BrowserContext":
    """Return a browser with a new profile: nothing is known of the site."""
    context: BrowserContext = driver.chromium.launch_persistent_context(
        profile,
        executable_path=CHROMIUM,
        args=ARGUMENTS,
        **({"viewport": {"width": 1400, "height": 1000}} | options),
    )
    context.set_default_timeout(TIMEOUT)
    return context


class Opened:
    """The playground in a page."""

    def __init__(self, context: "BrowserContext", address: str, hash_: str = "") -> None:
        self.address = address
        self.page = context.pages[0] if context.pages else context.new_page()
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self._look(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(address + hash_)

    def _look(self, url: str) -> None:
        if not url.startswith((self.address, "blob:", "data:")):
            self.foreign.append(url)

    def ready(self) -> None:
        self.page.wait_for_selector("#status[data-state=ready]")

    @property
    def shown(self) -> str:
        """How often the report has been drawn."""
        return self.page.get_attribute("body", "data-shown") or "0"

    def shown_again(self, before: str) -> None:
        self.page.wait_for_selector(f"body[data-shown]:not([data-shown='{before}'])")
        self.ready()

    @property
    def ladder(self) -> "Locator":
        return self.page.frame_locator("#report").locator(".ladder svg")

    def open_program(self) -> None:
        if not self.page.is_visible("#program"):
            self.page.click("#code summary")

    def why(self) -> str:
        return self.page.frame_locator("#report").locator("#why").inner_text()

    def go(self, hash_: str) -> None:
        """Follow a link to another setting."""
        self.page.evaluate("hash => { location.hash = hash; }", hash_)

    def run(self, **setting: Any) -> str:
        """Return the event log of *setting* as the page computes it."""
        log = self.page.evaluate(
            """async (setting) => {
                await playground.engine.run({ play: setting });
                return playground.engine.run({ log: true });
            }""",
            json.dumps(setting),
        )
        return str(log)


@pytest.fixture(scope="module")
def context(driver: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator["BrowserContext"]:
    made = browser(driver, tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def loaded(context: "BrowserContext", address: str) -> Opened:
    """The page with Python in it."""
    opened = Opened(context, address)
    opened.ready()
    return opened


@pytest.fixture
def opened(loaded: Opened) -> Iterator[Opened]:
    """The page at its beginning; afterwards it must not have complained, or asked elsewhere."""
    loaded.go("#scenario=hello")
    loaded.go("#scenario=loss")
    loaded.page.wait_for_timeout(300)
    loaded.ready()
    yield loaded
    assert not loaded.foreign
    assert not loaded.complaints


def test_a_newcomer_changes_the_loss_and_sees_another_ladder(
    driver: Any, address: str, tmp_path: Path
) -> None:
    began = time.monotonic()
    context = browser(driver, tmp_path)
    opened = Opened(context, address)
    opened.ladder.locator("text").first.wait_for()
    first = time.monotonic() - began
    ladder = opened.ladder.inner_html()
    slider = opened.page.get_by_label("loss", exact=True)
    slider.focus()
    for _ in range(6):  # while Python is on its way
        slider.press("ArrowRight")
    assert opened.page.inner_text("output[for=loss]") == "20 %"
    opened.ready()
    for _ in range(100):
        if opened.ladder.inner_html() != ladder:
            break
        opened.page.wait_for_timeout(50)
    changed = time.monotonic() - began
    assert opened.ladder.inner_html() != ladder
    assert "loss=0.2" in opened.page.url
    assert not opened.foreign
    assert not opened.complaints
    print(f"\ncold, with the start of the browser: a ladder after {first:.1f} s, {changed:.1f} s")
    context.close()


def test_a_segment_is_lost_by_a_click(opened: Opened) -> None:
    opened.page.get_by_role("button", name="Take back: c:data:2 lost").click()
    opened.page.wait_for_selector("#faults:empty", state="attached")
    opened.ready()
    opened.page.wait_for_timeout(300)
    assert opened.ladder.locator(".cross").count() == 0
    before = opened.shown
    opened.ladder.locator("text", has_text="seq=3001").first.click()
    assert "seq=3001" in opened.why()
    opened.page.frame_locator("#report").get_by_role("button", name="lose this one").click()
    opened.shown_again(before)
    assert opened.page.inner_text("#faults") == "c:data:4 lost ✕"
    assert opened.ladder.locator(".cross").count() == 2
    assert "faults=c%3Adata%3A4+lost" in opened.page.url
    assert "let this one through" in opened.why()
    before = opened.shown
    opened.page.frame_locator("#report").locator("#why").press("x")
    opened.shown_again(before)
    assert opened.ladder.locator(".cross").count() == 0


SETTINGS = [
    *({"scenario": name} for name in SCENARIOS),
    {"scenario": "loss", "loss": 0.2, "seed": 3, "rtt": 0.3},
    {"scenario": "half-close", "loss": 0.3, "seed": 11, "timestamps": False},
    {"scenario": "cwnd", "loss": 0.02, "seed": 5, "congestion": "bbr"},
    {"scenario": "cwnd", "loss": 0.01, "seed": 6, "congestion": "newreno", "sack": False},
    {"scenario": "cwnd", "rate": 2e6, "queue": 5000, "faults": "c:data:9 late 300ms"},
]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda each: "-".join(map(str, each.values())))
def test_the_browser_computes_the_same_events(opened: Opened, setting: dict[str, Any]) -> None:
    """Octet for octet, in another Python, compiled for another machine."""
    ours = run(json.dumps(setting)).log().splitlines()
    theirs = opened.run(**setting).splitlines()
    assert theirs == ours


def test_a_program_that_never_ends_is_stopped(opened: Opened) -> None:
    opened.open_program()
    opened.page.fill("#program", "while True: pass")
    opened.page.press("#program", "Control+Enter")
    opened.page.wait_for_selector("#status[data-state=busy]")
    opened.page.click("#stop")
    opened.page.wait_for_selector("#answer .problem")
    assert opened.page.inner_text("#answer") == "It was stopped."
    opened.ready()  # Python has been loaded anew
    before = opened.shown
    opened.page.click("#reset")
    opened.shown_again(before)


def test_what_is_wrong_with_a_program_is_shown(opened: Opened) -> None:
    opened.open_program()
    text = opened.page.input_value("#program")
    opened.page.fill("#program", text.replace("bytes(8000)", "8000"))
    opened.page.click("#run")
    opened.page.wait_for_selector("#answer .problem")
    assert re.match(r"the client: line \d+: TypeError", opened.page.inner_text("#answer .problem"))
    before = opened.shown
    opened.page.click("#original")
    opened.shown_again(before)
    assert opened.page.inner_text("#answer").strip() == "8000 octets have arrived"
    assert "program" not in opened.page.url


def test_a_program_of_a_link_waits_to_be_run(opened: Opened) -> None:
    program = "print('<b>stranger</b>')\nasync def client(r, w): pass\nasync def server(r, w): pass"
    before = opened.shown
    opened.page.evaluate(
        "text => { location.hash = new URLSearchParams({program: text}); }", program
    )
    opened.page.wait_for_selector("#stranger:visible")
    assert opened.page.input_value("#program") == program
    slider = opened.page.get_by_label("loss", exact=True)
    slider.press("ArrowRight")
    opened.page.wait_for_timeout(500)
    assert opened.shown == before
    opened.page.click("#run")
    opened.shown_again(before)
    assert opened.page.inner_text("#answer pre").strip() == "<b>stranger</b>"
    assert opened.page.is_hidden("#stranger")


@pytest.mark.parametrize(
    ("hash_", "why"),
    [
        ("#scenario=none", "There is no scenario none."),
        ("#lab=none", "There is no lab none."),
        ("#speed=1", "A setting has no speed."),
        ("#loss=2", "loss is a number from 0 to 0.5, not 2."),
        ("#constructor=2", "A setting has no constructor."),
    ],
)
def test_a_wrong_link_is_told(opened: Opened, hash_: str, why: str) -> None:
    opened.go(hash_)
    opened.page.locator("#answer", has_text=why).wait_for()
    opened.ready()


def test_what_a_program_can_reach_is_not_the_site(opened: Opened) -> None:
    """No network, and nothing of what the browser keeps for the site."""
    opened.open_program()
    program = (
        "import js, pyodide_js\n"
        "function = pyodide_js.runPython.constructor\n"
        "names = 'caches indexedDB fetch XMLHttpRequest WebSocket EventSource Worker'.split()\n"
        "print([name for name in names if function(f'return typeof {name}')() != 'undefined'])\n"
        "print(hasattr(js, 'fetch'))\n"
        "async def client(r, w): pass\nasync def server(r, w): pass\n"
    )
    opened.page.fill("#program", program)
    opened.page.click("#run")
    opened.page.locator("#answer pre", has_text=re.compile(r"^\[.*\]\s+(True|False)")).wait_for()
    assert opened.page.inner_text("#answer pre").split() == ["[]", "False"]


def test_a_lab_is_checked_as_the_command_does(opened: Opened, tmp_path: Path) -> None:
    opened.page.select_option("#choice", "lab=close")
    assert opened.page.is_hidden("#report")  # the run of the scenario before is not this lab's
    head, _, _ = opened.page.input_value("#program").partition("class Machine")
    old, new = SLIPS["close"][0]
    file = tmp_path / "lab_close.py"
    file.write_text(head + SOLUTIONS["close"].replace(old, new), encoding="utf-8")
    opened.page.fill("#program", file.read_text(encoding="utf-8"))
    opened.page.click("#run")
    opened.page.wait_for_selector("#answer table")
    opened.page.frame_locator("#report").locator("h1", has_text="Lab close").wait_for()
    assert opened.page.is_visible("#report")
    found = opened.page.evaluate(
        """async (text) => JSON.parse(
            await playground.engine.run({ check: "close", program: text }))""",
        file.read_text(encoding="utf-8"),
    )
    done = subprocess.run(
        [sys.executable, "-m", "rudp", "lab", "check", str(file), "--json"],
        env=os.environ
        | {
            "COLUMNS": "80",
            # Another version of hypothesis may find other faults.
            "PYTHONPATH": os.pathsep.join(str(each.kept) for each in HELPERS),
        },
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    told = json.loads(done.stdout)
    del told["event"]
    assert found["verdict"] == told
    assert told["faults"] is not None
    assert told["smallest"]


def test_it_works_without_a_network_after_the_first_visit(
    driver: Any, site: Path, tmp_path: Path
) -> None:
    server = serve(site)
    context = browser(driver, tmp_path)
    opened = Opened(context, f"http://127.0.0.1:{server.server_address[1]}/")
    opened.ready()
    opened.page.evaluate("async () => { await navigator.serviceWorker.ready; }")
    opened.page.wait_for_function("() => navigator.serviceWorker.controller?.state === 'activated'")
    server.shutdown()
    server.server_close()
    opened.page.reload()
    opened.ready()
    before = opened.shown
    opened.page.get_by_label("loss", exact=True).press("End")
    opened.shown_again(before)
    assert not opened.complaints
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone(driver: Any, address: str, tmp_path: Path, scheme: str) -> None:
    """Nothing sticks out, and what is to be touched is large enough."""
    context = browser(
        driver,
        tmp_path,
        viewport={"width": 390, "height": 844},
        color_scheme=scheme,
        has_touch=True,
    )
    opened = Opened(context, address, "#scenario=race")
    opened.ladder.first.wait_for()
    assert opened.page.evaluate("() => document.documentElement.scrollWidth") == 390
    small = opened.page.locator("button:visible, select:visible").evaluate_all(
        "all => all.filter(each => each.getBoundingClientRect().height < 40).map(each => each.id)"
    )
    assert not small
    context.close()


def test_everything_that_can_be_used_has_a_name(opened: Opened) -> None:
    opened.open_program()
    controls = opened.page.locator(
        "button:visible, input:visible, select:visible, textarea:visible, iframe, progress"
    )
    names = controls.evaluate_all(
        """all => all.map(each => (each.ariaLabel || each.title || each.textContent
            || [...(each.labels ?? [])].map(label => label.textContent).join()
            || document.getElementById(each.getAttribute("aria-labelledby"))?.textContent || ""))"""
    )
    assert len(names) > 15
    assert all(any(letter.isalpha() for letter in name) for name in names), names


def test_the_keyboard_leaves_the_program(opened: Opened) -> None:
    opened.open_program()
    opened.page.focus("#program")
    opened.page.keyboard.press("Control+Home")
    opened.page.keyboard.press("Tab")
    assert opened.page.input_value("#program").startswith("    ")
    opened.page.keyboard.press("Escape")
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("() => document.activeElement.id") != "program"
    opened.page.click("#original")


def test_events_are_saved_as_a_file(opened: Opened, tmp_path: Path) -> None:
    with opened.page.expect_download() as download:
        opened.page.click("#save")
    download.value.save_as(tmp_path / "events.jsonl")
    expected = run(json.dumps({"scenario": "loss"})).log()
    assert (tmp_path / "events.jsonl").read_text(encoding="utf-8") == expected
