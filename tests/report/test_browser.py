"""The page of a run in a browser: Chromium, headless; keys are pressed and it is looked at."""

import dataclasses
import importlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rudp.cli import main
from rudp.sim import Nat
from rudp.trace import report
from rudp.trace.events import SegmentSent, Snapshot
from tests.nat.kit import OUTSIDE_A, OUTSIDE_B, punched
from tests.unit.watched import Run, transfer

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

DOCS = Path(__file__).resolve().parents[2] / "docs"

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator["BrowserContext"]:
    """A browser with a new profile."""
    with playwright.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=CHROMIUM,
            args=ARGUMENTS,
            viewport={"width": 1400, "height": 1000},
        )
        context.set_default_timeout(90_000)  # of a machine that is busy
        yield context
        context.close()


class Opened:
    """A page that is open; at the end it must have asked for nothing and complained of nothing."""

    def __init__(self, context: "BrowserContext", path: Path, step: str = "") -> None:
        self.page = context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(path.as_uri() + step)
        self.page.wait_for_selector(".ladder svg text")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))

    def count(self, selector: str) -> int:
        return int(self.page.locator(selector).count())

    def close(self) -> None:
        self.page.close()
        assert len(self.requests) == 1, "the file itself"
        assert not self.complaints


@pytest.fixture
def opened(chromium: "BrowserContext", tmp_path: Path) -> Iterator[Opened]:
    """The page of nine segments of which the second is lost."""
    report.save(tmp_path / "run.html", transfer(drop=(2,)).log.recording)
    page = Opened(chromium, tmp_path / "run.html")
    yield page
    page.close()


@pytest.fixture
def compared(chromium: "BrowserContext", tmp_path: Path) -> Iterator[Opened]:
    """The page of two runs: one lost the second segment, the other the last."""
    one, other = transfer(drop=(2,)).log.recording, transfer(drop=(9,)).log.recording
    report.save(tmp_path / "runs.html", one, other, names=("early", "late"))
    page = Opened(chromium, tmp_path / "runs.html")
    yield page
    page.close()


def test_arrow_keys_step_through_the_ladder(opened: Opened) -> None:
    assert opened.text("#place").startswith("step 1 of 43")
    opened.press("ArrowRight")
    assert opened.text("#why .what") == "client sends SYN seq=0 win=65535 mss=1012"
    assert "RFC 9293 §3.10.1" in opened.text("#why")
    ladder = opened.page.inner_html(".ladder svg")
    opened.press("ArrowRight")
    assert opened.page.inner_html(".ladder svg") != ladder
    opened.press("ArrowLeft")
    assert opened.page.inner_html(".ladder svg") == ladder
    opened.press("End")
    assert opened.text("#place").startswith("step 43 of 43")
    opened.press("Home", "PageDown")
    assert opened.text("#place").startswith("step 11 of 43")


def test_a_step_can_be_linked_to(chromium: "BrowserContext", tmp_path: Path) -> None:
    report.save(tmp_path / "run.html", transfer(drop=(2,)).log.recording)
    page = Opened(chromium, tmp_path / "run.html", "#9")
    assert page.text("#place").startswith("step 9 of 43")
    page.page.evaluate("location.hash = '#12'")
    page.page.locator("#place", has_text="step 12 of").wait_for()
    page.press("ArrowRight")
    page.page.wait_for_url("**#13")
    page.close()


def test_a_page_opens_where_it_is_told(chromium: "BrowserContext", tmp_path: Path) -> None:
    """At the segment that is sent again; a step in the address goes before."""
    run = transfer(drop=(2,)).log.recording
    (again,) = (
        each for each in run.events if isinstance(each, SegmentSent) and "RACK" in each.why.name
    )
    report.save(tmp_path / "run.html", run, transfer().log.recording, start=again)
    for step, told in (("", "client sends ACK seq=1001"), ("#2", "client sends SYN seq=0")):
        page = Opened(chromium, tmp_path / "run.html", step)
        assert page.text("#why .what").startswith(told)
        page.close()


def test_sections_link_to_where_they_stand(opened: Opened) -> None:
    opened.press("ArrowRight")
    links = opened.page.locator("#why a").evaluate_all("all => all.map(a => [a.text, a.href])")
    assert links == [
        ["RFC 9293 §3.10.1", "https://www.rfc-editor.org/rfc/rfc9293.html#section-3.10.1"]
    ]
    two = opened.page.evaluate("sectionLinks('RFC 5961 §3.2, §4.2').map(each => each.href)")
    assert [each.partition("#")[2] for each in two] == ["section-3.2", "section-4.2"]


def test_everything_that_can_be_used_has_a_name(opened: Opened) -> None:
    """Names are words, for who hears the page."""
    names = opened.page.locator("button:visible, canvas, .scroll, svg[role=img]").evaluate_all(
        "all => all.map(each => each.ariaLabel ?? each.textContent)"
    )
    assert len(names) > 20
    assert all(any(letter.isalpha() for letter in name) for name in names), names


OVERLAPS = """() => {
  const boxes = [...document.querySelectorAll(".ladder .arrow text")].map(each => each.getBoundingClientRect());
  return boxes.flatMap((a, n) => boxes.slice(n + 1).filter(b =>
    a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 4 && b.top < a.bottom - 4)).length;
}"""  # noqa: E501

IN_VIEW = """selector => {
  const view = document.querySelector(".scroll").getBoundingClientRect();
  return [...document.querySelectorAll(selector)].filter(each => {
    const box = each.getBoundingClientRect();
    return box.top >= view.top && box.bottom <= view.bottom;
  }).length;
}"""


def test_a_dense_ladder_can_be_read(
    chromium: "BrowserContext", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With 38 segments in flight words are thinned; what is lost and what is shown is seen."""
    assert main(["demo", "cwnd", "--html", str(tmp_path / "run.html")]) == 0
    capsys.readouterr()
    page = Opened(chromium, tmp_path / "run.html", "#161")
    assert "the link loses client's ACK seq=65001" in page.text("#why .what")
    for keys in ([], ["+"], ["+", "+"], ["0"], ["-", "-"]):
        page.press(*keys)
        words = page.page.locator(".ladder .arrow text").all_text_contents()
        assert 20 < len(words) < 120
        assert any("seq=65001" in each for each in words)
        for neighbour in ("seq=64001", "seq=66001"):
            assert any(neighbour in each for each in words)
        assert page.page.evaluate(IN_VIEW, ".ladder .now text") == 1
        assert page.page.evaluate(IN_VIEW, ".ladder .now .cross") == 2
        assert page.count(".ladder svg *") < 2500
        if keys != ["-", "-"]:  # there words follow their arrows, and their boxes are no measure
            assert page.page.evaluate(OVERLAPS) == 0
    page.close()


def test_the_ladder_zooms_in_time(opened: Opened) -> None:
    height = "document.querySelector('.scroll').scrollHeight"
    before = opened.page.evaluate(height)
    opened.press("+")
    closer = opened.page.evaluate(height)
    assert closer > before * 1.4
    opened.press("0")
    assert opened.page.evaluate(height) == before
    opened.page.click("text=+")
    assert opened.page.evaluate(height) == closer
    opened.page.locator(".scroll").dispatch_event("wheel", {"ctrlKey": True, "deltaY": -100})
    assert opened.page.evaluate(height) > closer
    top = opened.page.evaluate("document.querySelector('.scroll').scrollTop")
    opened.page.click(".map", position={"x": 10, "y": 500})
    assert opened.page.evaluate("document.querySelector('.scroll').scrollTop") > top
    assert opened.text("#place").startswith("step 1 of 43")


def test_an_arrow_that_is_clicked_is_stepped_to(opened: Opened) -> None:
    box = opened.page.locator(".ladder .arrow.control .shaft").first.bounding_box()
    assert box is not None
    opened.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert opened.text("#why .what").startswith("client sends SYN seq=0")


def test_a_phone_shows_it_all(opened: Opened) -> None:
    opened.page.set_viewport_size({"width": 390, "height": 844})
    opened.press("ArrowRight")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    sizes = opened.page.locator("button:visible").evaluate_all(
        "all => all.map(each => [each.offsetWidth, each.offsetHeight])"
    )
    assert len(sizes) > 8
    assert min(min(size) for size in sizes) >= 40
    box = opened.page.locator(".ladder .arrow .shaft").first.bounding_box()
    assert box is not None
    assert box["width"] > 240, "margins are small"


def test_a_loss_is_seen_in_every_view(opened: Opened) -> None:
    while "calls 1001–2000 lost" not in opened.text("#why"):
        opened.press("n")
    assert "RETRANSMIT_RACK" in opened.text("#why")
    assert "RFC 8985 §6.2" in opened.text("#why")
    assert opened.count(".ladder .cross") == 2
    changed = opened.page.locator("#blocks td.changed").all_inner_texts()
    assert "1001–2000 was none" in changed
    assert "2001–9000 was none" in changed
    assert opened.count("#space rect.lost") == 2, "one is of the key"
    assert "client: retransmission" in opened.text("#timers")
    assert opened.count("#states .walked0") == 2
    assert opened.count("#graphs canvas") == 5
    assert not opened.page.locator("#graphs canvas").evaluate_all(
        "all => all.filter(c => !c.getContext('2d').getImageData(0, 0, c.width, c.height)"
        ".data.some(x => x))"
    ), "every graph has something drawn in it"


def test_graphs_tell_what_they_show(opened: Opened) -> None:
    """Goodput is counted where it arrives; why it can be read in bursts is said."""
    told = opened.page.locator(".graph").all_inner_texts()
    titles = [each.partition("\n")[0] for each in told]
    assert titles[2:] == ["Round trip and time-out", "Windows", "Goodput"]
    assert "once a hole was filled, and all that had waited behind it" in told[4]
    assert "at most 7.8 KiB (at 60.0 ms)" in told[4]
    marks = opened.page.evaluate("ratios(0.013, 1.5)")
    assert marks == pytest.approx([0.02, 0.05, 0.1, 0.2, 0.5, 1.0])


def test_the_states_walked_end_in_closed(opened: Opened) -> None:
    opened.press("End")
    states = opened.text("#states")
    assert "→ FIN-WAIT-2 (rcv ACK of FIN) → TIME-WAIT (rcv FIN) → CLOSED" in states
    assert "server (dashed): CLOSED → LISTEN" in states


def test_the_scrubber_steps_too(opened: Opened) -> None:
    opened.page.fill("#scrubber", "20")
    assert opened.text("#place").startswith("step 21 of 43")


def test_the_quiz_hides_what_comes_next(opened: Opened) -> None:
    opened.press("ArrowRight", "q")
    assert "What happens next?" in opened.text("#quiz")
    assert opened.count("#quiz li") == 4
    assert opened.count(".ladder .future") == 0
    labels = opened.page.locator(".ladder .arrow text").all_inner_texts()
    assert len(labels) == 1, "no segment but those that have left"
    options = opened.page.locator("#quiz li").all_inner_texts()
    (right,) = [n for n, text in enumerate(options, 1) if "server" in text and "LISTEN" in text]
    opened.press(str(right))
    assert "Right." in opened.text("#quiz")
    assert opened.text("#place").startswith("step 3 of 43")
    assert opened.count(".ladder .future") == 0, "what comes is asked next"
    assert opened.page.locator("#graphs .cover:visible").count() == 5
    assert not opened.page.is_visible("#compare")
    assert opened.page.locator(".graph p:visible").count() == 0
    opened.page.click("text=next question")
    opened.press("ArrowRight")
    assert "It was:" in opened.text("#quiz")
    assert "1 of 2 right" in opened.text("#quiz")
    opened.press("q")
    assert not opened.page.is_visible("#quiz")
    assert opened.count(".ladder .future") > 0


def test_two_runs_are_compared(compared: Opened) -> None:
    assert compared.count(".ladder") == 2
    assert compared.text("#difference") == (
        "They first differ here: early: “client sends ACK seq=1001 ack=1 len=1000 win=262144, "
        "which the link loses”, step 10, at 30.0 ms; late: “client sends ACK seq=1001 ack=1 "
        "len=1000 win=262144”, step 10, at 30.0 ms."
    )
    rows = compared.text("#compare table")
    assert "tail-loss probe timer fired\t0\t1\t+1" in rows
    compared.press("End")
    before = compared.text("#place")
    compared.press("r")
    assert compared.text("#about").startswith("late")
    assert compared.text("#place") != before or compared.text("#about").startswith("late")
    compared.press("c")
    assert compared.count(".ladder") == 1
    compared.press("c")
    assert compared.count(".ladder") == 2


def test_colours_follow_the_system(opened: Opened) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    opened.page.emulate_media(color_scheme="dark")
    assert opened.page.evaluate(paper) == "rgb(22, 24, 29)"
    opened.page.emulate_media(color_scheme="light")
    assert opened.page.evaluate(paper) == "rgb(255, 255, 255)"


def test_what_is_printed_is_light_and_has_no_buttons(opened: Opened) -> None:
    opened.page.emulate_media(color_scheme="dark", media="print")
    assert not opened.page.is_visible("#controls")
    paper = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(255, 255, 255)"


def test_names_in_a_run_are_shown_as_they_are(chromium: "BrowserContext", tmp_path: Path) -> None:
    evil = "<img src=x onerror=alert(1)>"
    events = [
        dataclasses.replace(each, connection=evil if each.connection == "client" else "b")
        for each in transfer().log.events
    ]
    report.save(tmp_path / "run.html", events, title=evil)
    page = Opened(chromium, tmp_path / "run.html")
    page.press("ArrowRight", "q", "1")
    assert page.text("h1") == evil
    assert page.count("img") == 0
    assert evil in page.text(".ladder .names")
    page.close()


def test_one_end_without_snapshots_is_shown_too(chromium: "BrowserContext", tmp_path: Path) -> None:
    """As the flight recorder keeps it."""
    told = [
        each
        for each in transfer(drop=(2,)).log.events
        if each.connection == "client" and not isinstance(each, Snapshot)
    ]
    report.save(tmp_path / "run.html", told)
    page = Opened(chromium, tmp_path / "run.html")
    page.press("s", "s", "End")
    assert "There is no snapshot" in page.text("#blocks")
    assert page.count("#graphs canvas") == 1, "segments are drawn without"
    assert page.count(".ladder .arrow") > 10
    page.close()


def test_pages_of_a_site_share_their_script(chromium: "BrowserContext", tmp_path: Path) -> None:
    for name, text in report.shared_files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    page = tmp_path / "run.html"
    page.write_text(report.report(transfer().log.recording, shared="."), encoding="utf-8")
    assert page.stat().st_size < 20_000
    opened = Opened(chromium, page, "#3")
    assert opened.text("#place").startswith("step 3 of ")
    assert [url.rpartition("/")[2] for url in opened.requests] == [
        *("run.html", "report.css", "report.js"),
    ]
    assert not opened.complaints
    opened.page.close()


def test_a_question_of_the_course_is_answered_in_the_page(
    chromium: "BrowserContext", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong answer gives nothing away; the right one opens the reason and the command."""
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    monkeypatch.syspath_prepend(str(DOCS / "extensions"))
    (question,) = importlib.import_module("quiz").parse(
        "How many are sent `again`?\n$ rudp demo loss\n= sum(each.again for each in sent)\n"
        "- none\n- all of <them>\nOne is lost."
    )
    script = (DOCS / "_static" / "questions.js").read_text(encoding="utf-8")
    asked = importlib.import_module("questions").asked(1, question)
    (tmp_path / "page.html").write_text(f"{asked}<script>{script}</script>", encoding="utf-8")
    page = chromium.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    buttons = page.locator("button")
    assert sorted(buttons.all_inner_texts()) == ["1", "all of <them>", "none"]
    assert page.inner_text("legend") == "1. How many are sent again?"
    buttons.get_by_text("all of").click()
    assert page.inner_text(".verdict").startswith("No, not: all of <them>.")
    assert not page.locator("details p").first.is_visible()
    buttons.get_by_text("1").click()
    assert page.inner_text(".verdict") == "Right."
    assert page.inner_text("details").split("\n")[-1] == "See it: rudp demo loss"
    page.close()


@pytest.mark.slow
def test_what_a_punch_does_is_told(chromium: "BrowserContext", tmp_path: Path) -> None:
    log = punched(Nat(OUTSIDE_A), Nat(OUTSIDE_B))
    report.save(tmp_path / "run.html", log.recording)
    page = Opened(chromium, tmp_path / "run.html")
    told = {}
    for _ in range(30):
        told[page.text("#why .what")] = page.text("#why")
        page.press("ArrowRight")
    assert "here is at 10.0.0.2:5000 (host)" in told
    tried = told["here tries 198.51.100.1:6000 (mapped)"]
    assert "PAIR_TRIED" in tried
    assert "RFC 8445 §6.1.4.2" in tried
    assert "there has a connection, mapped" in told
    assert "takes" in page.page.inner_html(".ladder svg")
    page.close()


def test_a_run_in_which_much_is_left_out_says_so(
    chromium: "BrowserContext", tmp_path: Path
) -> None:
    run = Run(drop=tuple(range(50, 4000, 50)))
    for _ in range(20):
        run.send(100_000)
        run.read(100_000)
    run.close()
    length = run.log.events[-1].time + 1.0
    told = [
        dataclasses.replace(event, time=event.time + n * length)
        for n in range(20)
        for event in run.log.events
    ]
    assert len(told) > 100_000
    report.save(tmp_path / "run.html", told)
    page = Opened(chromium, tmp_path / "run.html")
    assert "events in the middle are left out" in page.text("#about")
    assert page.count(".ladder svg *") < 5000
    page.press("End", "ArrowLeft", "Home", "PageDown", "n", "p")
    assert page.count(".ladder svg *") < 5000
    assert "of" in page.text(".graph p"), "how many segments are drawn"
    page.close()
