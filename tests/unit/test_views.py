"""The smaller views of the event stream: qlog and logging."""

import itertools
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from rudp import sim
from rudp.trace import log_tracer, qlog
from tests.unit.watched import CLIENT, SERVER, transfer


def records(text: str) -> list[dict[str, Any]]:
    """Return the texts of a JSON text sequence (RFC 7464)."""
    assert text.startswith("\x1e")
    return [json.loads(record) for record in text.split("\x1e")[1:]]


def test_qlog_tells_of_recovery_in_its_own_words(tmp_path: Path) -> None:
    run = transfer(drop=(2,))
    qlog.save(run.log.recording, tmp_path / "run.sqlog")
    header, *told = records((tmp_path / "run.sqlog").read_text())
    assert (header["qlog_version"], header["qlog_format"]) == ("0.3", "JSON-SEQ")
    assert header["file_schema"] == "urn:ietf:params:qlog:file:sequential"
    assert header["serialization_format"] == "application/qlog+json-seq"
    assert header["trace"]["event_schemas"] == [qlog.SCHEMA]
    assert header["trace"]["common_fields"]["reference_time"]["epoch"] == "unknown"
    assert header["trace"]["vantage_point"] == {"name": "client", "type": "client"}
    times = [event["time"] for event in told]
    assert times == sorted(times)
    by_name: dict[str, list[dict[str, Any]]] = {}
    for event in told:
        by_name.setdefault(event["name"], []).append(event["data"])
    metrics = by_name["recovery:metrics_updated"]
    assert metrics[0] == {"smoothed_rtt": 20.0, "rtt_variance": 10.0, "min_rtt": 20.0}
    reduced = [each for each in metrics if "ssthresh" in each]
    assert reduced[0]["congestion_window"] == reduced[0]["ssthresh"]
    (lost,) = by_name["recovery:packet_lost"]
    assert lost["trigger"] == "time_threshold"
    assert lost["raw"] == {"length": 1000}
    states = [each["new"] for each in by_name["recovery:congestion_state_updated"]]
    assert states[:2] == ["slow_start", "recovery"]
    assert by_name["recovery:loss_timer_updated"][0]["event_type"] == "set"
    assert len(by_name["tcp:segment_sent"]) == len(
        [e for e in run.log.events if e.kind == "segment_sent" and e.connection == "client"]
    )


def test_qlog_has_packets_for_the_axis_of_time() -> None:
    """qvis draws nothing without packets that have a length, and finds what was lost by number."""
    run = transfer(drop=(2, 5))
    for end, kind in (("client", "sent"), ("server", "received")):
        _, *told = records("".join(qlog.records(run.log.events, end)))
        data = [event["data"] for event in told if event["name"] == f"transport:packet_{kind}"]
        assert [packet["header"]["packet_number"] for packet in data] == [*range(len(data))]
        assert all(packet["raw"]["length"] > 0 for packet in data)
        (frames,) = zip(*[packet["frames"] for packet in data], strict=True)
        covered = sorted((frame["offset"], frame["length"]) for frame in frames)
        assert covered[0][0] == 0
        assert all(b[0] <= a[0] + a[1] for a, b in itertools.pairwise(covered))
        if end == "client":
            lost = [event["data"] for event in told if event["name"] == "recovery:packet_lost"]
            assert len(lost) == 2
            for each in lost:
                number = each["header"]["packet_number"]
                assert each["raw"] == data[number]["raw"]
                again = [frame["offset"] for frame in frames].count(frames[number]["offset"])
                assert again == 2  # and once more


def test_qlog_of_the_other_end() -> None:
    run = transfer()
    header, *_ = records("".join(qlog.records(run.log.events, "server")))
    assert header["trace"]["vantage_point"] == {"name": "server", "type": "server"}
    with pytest.raises(ValueError, match="no connection nobody"):
        list(qlog.records(run.log.events, "nobody"))


def _watched_by_logging() -> None:
    network = sim.Network(delay=0.01)
    server, client = network.host(SERVER), network.host(CLIENT)
    listener = server.table.listen(80)
    ours = client.table.open_active(server.path, 80, 0.0, tracer=log_tracer("client"))
    assert network.run_until(lambda: listener.accepted, limit=10.0)
    ours.send(bytes(100_000))
    client.table.touch(ours)
    network.run_until(lambda: False, limit=10.0)
    ours.abort(network.clock.now)
    client.table.touch(ours)
    network.run_until(lambda: False, limit=10.0)


def test_logging_says_little_at_info(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "rudp"):
        _watched_by_logging()
    assert [record.getMessage() for record in caplog.records] == [
        "client: SYN-SENT -> ESTABLISHED (rcv SYN,ACK)",
        "client: ESTABLISHED -> CLOSED (delete TCB)",
    ]
    assert all(record.name.startswith("rudp.") for record in caplog.records)


def test_logging_says_all_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "rudp.trace"):
        _watched_by_logging()
    lines = [record.getMessage() for record in caplog.records]
    assert any(line.startswith("client: sent AE,CWR,ECE,SYN seq=0") for line in lines)
    assert "client: feedback of marks is accurate" in lines
    assert any(line.startswith("client: received CWR,SYN,ACK seq=0 ack=1") for line in lines)
    assert sum("len=" in line for line in lines) > 60
