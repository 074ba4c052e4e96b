"""The page of a run: what it holds, how large it gets, and that nothing of a run becomes markup."""

import base64
import dataclasses
import hashlib
import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest

from rudp.trace import Recording, report
from rudp.trace.events import Event, Header, Snapshot, Watched
from tests.unit.watched import Run, transfer

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"


def runs(page: str) -> list[dict[str, Any]]:
    """Return what the scripts of *page* unpack."""
    packed = re.findall(r'<script type="text/plain" class="run">([^<]*)</script>', page)
    return [json.loads(zlib.decompress(base64.b64decode(each))) for each in packed]


def test_the_page_loads_nothing() -> None:
    page = report.report(transfer(drop=(2,)).log.recording)
    assert not re.search(r"""(src|href|action)\s*=\s*["']?\s*(?!data:)\w""", page)
    assert not re.search(r"@import|url\(|\bfetch\(|XMLHttpRequest|WebSocket|\bimport\(", page)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; ")
    for name in ("script", "style"):
        (text,) = re.findall(rf"<{name}>(.*?)</{name}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy[1]
    assert "The MIT License" in page, "of the library that draws the graphs"


def test_a_small_run_is_shown_whole() -> None:
    run = transfer(drop=(2,))
    page = report.report(run.log.events)
    assert len(page.encode()) < 160_000
    (told,) = runs(page)
    kinds = [row[0] for row in told["rows"]]
    for letter, kind in (("s", "segment_sent"), ("r", "segment_received"), ("x", "segment_lost"),
                         ("m", "state_moved"), ("l", "range_lost"), ("f", "timer_fired"),
                         ("b", "snapshot"), ("w", "watched")):  # fmt: skip
        assert kinds.count(letter) == sum(event.kind == kind for event in run.log.events)
    assert told["sides"] == ["client", "server"]
    again = [row for row in told["rows"] if row[0] == "s" and row[6]]
    assert [(row[4][1], row[5]) for row in again] == [(1001, "RETRANSMIT_RACK")]
    for n, row in enumerate(told["rows"]):
        if row[0] in "rx":
            assert told["rows"][n - row[-2 if row[0] == "x" else 4]][0] == "s"


def test_snapshots_can_be_put_together_again() -> None:
    run = transfer(drop=(2,))
    (told,) = runs(report.report(run.log.recording))
    now = 0
    blocks: list[dict[str, Any]] = [{}, {}]
    seen = []
    for kind, wait, side, *fields in [row[:] for row in told["rows"]]:
        now += wait
        if kind == "b":
            blocks[side] |= fields[0]
            seen.append((now / 1e9, blocks[side].copy()))
    expected = []
    for event in run.of(Snapshot):
        fields = dataclasses.asdict(event)
        del fields["connection"]
        expected.append((fields.pop("time"), fields))
    assert json.loads(json.dumps(expected)) == [list(each) for each in seen]


def test_goodput_counts_an_octet_when_it_arrives() -> None:
    """And what waits behind a hole a second time, when it can be read."""
    (told,) = runs(report.report(transfer(drop=(2,)).log.recording))
    goodput = told["graphs"][0]["goodput"]
    assert goodput["at_reader"]
    slot = goodput["slot"]
    for column in (1, 2):
        total = sum(rates[column] for rates in goodput["rates"]) * slot
        assert total == pytest.approx(9002, rel=0.01), "with SYN and FIN"
    first = next(rates for rates in goodput["rates"] if rates[1] > 1000 / slot)
    assert first[1] * slot == pytest.approx(8000, rel=0.01), "all but the one that was lost"
    assert first[2] * slot == pytest.approx(1000, rel=0.01), "that before it"
    fills, most, when = goodput["filled"]
    assert (fills, most) == (1, 8000)
    assert when == pytest.approx(0.06)


def test_goodput_of_a_sender_alone_is_what_it_heard_of() -> None:
    events = [each for each in transfer(drop=(2,)).log.events if each.connection == "client"]
    (told,) = runs(report.report(events))
    goodput = told["graphs"][0]["goodput"]
    assert not goodput["at_reader"]
    assert goodput["filled"][:2] == [1, 8000]
    assert told["graphs"][1]["goodput"]["at_reader"], "the client reads what the server sends"


@pytest.fixture(scope="module")
def long_run() -> Run:
    """Some hundred thousand events."""
    run = Run(drop=tuple(range(50, 40_000, 400)))
    for _ in range(30):
        run.send(200_000)
        run.read(200_000)
    run.close()
    return run


def _repeated(events: list[Event], times: int) -> list[Event]:
    """Return *events* several times over, one after the other."""
    length = events[-1].time + 1.0
    return [
        dataclasses.replace(event, time=event.time + n * length)
        for n in range(times)
        for event in events
        if n == 0 or not isinstance(event, Watched)
    ]


@pytest.mark.slow
def test_a_long_run_is_cut_in_the_middle(long_run: Run) -> None:
    events = _repeated(list(long_run.log.events), 10)
    assert len(events) > 100_000
    page = report.report(events)
    assert len(page.encode()) < report.SIZE_MAX
    (told,) = runs(page)
    (gap,) = [n for n, row in enumerate(told["rows"]) if row[0] == "gap"]
    assert told["rows"][gap][3] > 10_000
    assert all(row[1] >= 0 for row in told["rows"])
    end = sum(row[1] for row in told["rows"]) / 1e9
    assert end == pytest.approx(events[-1].time), "the end is there"
    assert {row[2] for row in told["rows"][gap + 1 : gap + 3]} == {0, 1}, "both sides' blocks"
    for side in told["graphs"]:
        assert len(side["columns"]["time"]) <= 3 * 201
        assert len(side["marks"]) <= 1200
        assert side["columns"]["time"] == sorted(set(side["columns"]["time"]))
    assert told["graphs"][0]["marks_all"] > 10_000


def test_two_long_runs_fit_too(long_run: Run) -> None:
    page = report.report(long_run.log.recording, long_run.log.recording, names=("a", "b"))
    assert len(page.encode()) < report.SIZE_MAX
    assert [told["name"] for told in runs(page)] == ["a", "b"]


def test_nothing_of_a_run_becomes_markup() -> None:
    recording = transfer().log.recording
    names = {"client": EVIL, "server": "server"}
    events = [
        dataclasses.replace(each, connection=names[each.connection]) for each in recording.events
    ]
    header = Header(seed=EVIL, script=EVIL, ends=(EVIL,), library=EVIL)
    page = report.report(Recording(header, events), title=EVIL)
    assert "alert(1)<" not in page
    assert page.count("<script") == 3
    assert "onerror" not in page.replace("&lt;img src=x onerror=alert(1)&gt;", "")
    assert len(report.report(recording, title="x" * 10**6)) < 160_000


def test_without_a_connection_there_is_no_page() -> None:
    with pytest.raises(ValueError, match="no connection"):
        report.report([])


def test_a_page_is_a_file(tmp_path: Path) -> None:
    run = transfer()
    report.save(tmp_path / "run.html", run.log.recording, title="a run")
    page = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert "<h1>a run</h1>" in page
    assert page == report.report(run.log.recording, title="a run")
