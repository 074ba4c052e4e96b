"""TIME-WAIT: what it answers, what it ignores, how long it lasts and who may follow."""

import pytest

from tests.scripts.kit import Play, active

CLOSED_BY_US = (
    active()
    + """
    shutdown
    > FA 1 ack 1
    < FA 1 ack 2
    > A 2 ack 2
    state TIME-WAIT
    listen
    """
)
CLOSED_BY_US_TS = (
    active("mss 1000, TS 0 0")
    + """
    shutdown
    > FA 1 ack 1
    +0.1 < FA 1 ack 2 <TS 1000 100>
    > A 2 ack 2
    state TIME-WAIT
    listen
    """
)


def test_TW_1_a_repeated_FIN_is_acknowledged_and_starts_2MSL_again(play: Play) -> None:
    """MUST-13, ST-34, ST-45, TRAP-3, TRAP-8, TW-8, TW-10."""
    play(CLOSED_BY_US)
    play(
        """
        +200 < FA 1 ack 2
        > A 2 ack 2 win 65534
        +0.01 < FA 1 ack 2                  # not throttled
        > A 2 ack 2
        +239.9 records 1
        +0.2 records 0
        < FA 1 ack 2
        > R 2
        """
    )


def test_ST_45_DEF_1_nothing_else_lengthens_it(play: Play) -> None:
    """TW-1, ST-21, ST-22, ST-26, ST-33: neither data nor ACKs nor resets."""
    play(CLOSED_BY_US)
    play(
        """
        +100 < A 2 ack 2                    # a bare ACK in the window: dropped
        < PA 2:12(10) ack 2
        < - 2
        < A -100 ack 2                      # outside: an ACK, now and then
        > A 2 ack 2
        < A -100 ack 2
        < PA -100:-90(10) ack 2             # content: each time
        > A 2 ack 2
        +0.1 < PA -100:-90(10) ack 2
        > A 2 ack 2
        140 records 1
        240.2 records 0
        """
    )


@pytest.mark.parametrize("seq", [2, 3, 1, 100_000])
def test_TW_3_ST_23_RST_is_ignored(play: Play, seq: int) -> None:
    """DEF-45, ST-24, TRAP-8, TW-2: RFC 1337, fix F1."""
    play(CLOSED_BY_US)
    play(
        f"""
        < R {seq}
        < RA {seq} ack 2
        records 1
        """
    )


def test_ST_23_an_exact_RST_ends_it_if_configured(play: Play) -> None:
    play.configure(rfc1337=False)
    play(CLOSED_BY_US)
    play(
        """
        < R 3
        < R 1
        records 1
        < R 2
        records 0
        """
    )


def test_TW_3_RST_in_the_read_that_brought_the_FIN(play: Play) -> None:
    """It makes no difference that the record is not made yet."""
    play(active())
    play(
        """
        shutdown
        > FA 1 ack 1
        < FA 1 ack 2
        &< R 2
        > A 2 ack 2
        state TIME-WAIT
        records 1
        """
    )


def test_ST_25_SYN_ACK_in_TIME_WAIT(play: Play) -> None:
    """It gets an ACK, throttled."""
    play(CLOSED_BY_US)
    play(
        """
        < SA 5000 ack 2
        > A 2 ack 2
        < SA 5000 ack 2
        records 1
        """
    )


@pytest.mark.parametrize(
    ("tsval", "seq", "accepted"),
    [
        (1001, 5000, True),
        (1001, -5000, True),
        (1000, 5000, True),
        (1000, -5000, False),
        (999, 5000, False),
        (1000, 1, False),
        (1000, 2, True),
    ],
)
def test_TW_4a_SYN_with_timestamps(play: Play, tsval: int, seq: int, accepted: bool) -> None:
    """SHLD-4, MAY-2, RFC 6191: newer, or of the same age and higher."""
    play(CLOSED_BY_US_TS)
    _reopen(play, f"mss 1000, TS {tsval} 0", seq, accepted)


@pytest.mark.parametrize(("seq", "accepted"), [(5000, True), (2, True), (1, False), (-9, False)])
def test_TW_4b_SYN_without_timestamps(play: Play, seq: int, accepted: bool) -> None:
    play(CLOSED_BY_US_TS)
    _reopen(play, "mss 1000", seq, accepted)


@pytest.mark.parametrize("seq", [5000, -5000])
def test_TW_4c_old_connection_without_timestamps(play: Play, seq: int) -> None:
    play(CLOSED_BY_US)
    _reopen(play, "mss 1000, TS 5 0", seq, True)


@pytest.mark.parametrize(("seq", "accepted"), [(5000, True), (2, True), (1, False), (-9, False)])
def test_TW_4d_neither_has_timestamps(play: Play, seq: int, accepted: bool) -> None:
    play(CLOSED_BY_US)
    _reopen(play, "mss 1000", seq, accepted)


def _reopen(play: Play, options: str, seq: int, accepted: bool) -> None:
    if not accepted:
        play(f"< S {seq} <{options}> \n > A 2 ack 2 \n records 1 \n connections 0")
        play("count CHALLENGE_ACK 1")
        return
    script = f"anew {seq} \n < S 0 <{options}> \n"
    play(
        script
        + """
        records 1
        > SA 0 ack 1
        state SYN-RECEIVED
        < A 1 ack 1
        records 0
        accept
        < PA 1:11(10) ack 1
        +0.04 > A 1 ack 11
        read 10
        """
    )


def test_TW_4_only_a_listener_reopens(play: Play) -> None:
    play(CLOSED_BY_US)
    play(
        """
        unlisten
        < S 5000
        > A 2 ack 2
        records 1
        """
    )


def test_TW_4_SYN_with_FIN_does_not_reopen(play: Play) -> None:
    """M-9 holds here as it does in LISTEN."""
    play(CLOSED_BY_US)
    play("< SF 5000 \n > A 2 ack 2 \n records 1")


def test_TW_4_ST_25_what_answers_the_challenge_ends_TIME_WAIT(play: Play) -> None:
    """RFC 9293 §3.10.7.4: the peer has started again, and its next SYN opens."""
    play(CLOSED_BY_US_TS)
    play(
        """
        +1 < S -70000 <mss 1000, TS 500 0>
        > A 2 ack 2
        +0.1 < R 3                          # nearly
        < RA 2 ack 2                        # nothing in SYN-SENT says that
        records 1
        < R 2
        records 0
        anew -70000
        < S 0 <mss 1000, TS 501 0>
        > SA 0 ack 1
        < A 1 ack 1
        accept
        state ESTABLISHED
        """
    )


def test_TW_3_a_challenge_is_for_one_round_trip(play: Play) -> None:
    """RFC 1337: later the same RST is an old duplicate like others."""
    play(CLOSED_BY_US)
    play("< S -70000 <mss 1000> \n > A 2 ack 2 \n +5.1 < R 2 \n records 1")


def test_TW_5_the_successor_begins_above_the_old_numbers(play: Play) -> None:
    """MAY-2: the clock of the ISN alone does it unless more was sent than it ticked."""
    play(CLOSED_BY_US)
    iss = play.iss
    play("+1 wait \n anew 5000 \n < S 0 \n > SA 0 ack 1")
    assert (play.iss - iss) % (1 << 32) == pytest.approx(1.1 * 250_000, abs=1000)


def test_TW_5_the_successor_begins_above_them_however_much_was_sent(play: Play) -> None:
    play(active("mss 1000"))
    script = ""
    for seq in range(1, 100_001, 1000):
        end = seq + 1000
        script += f"send 1000 \n > PA {seq}:{end}(1000) ack 1 \n < A 1 ack {end} \n"
    play(script)
    seq = 100_001
    play(
        f"""
        shutdown
        > FA {seq} ack 1
        < FA 1 ack {seq + 1}
        > A {seq + 1} ack 2
        listen
        < S 5000
        > SA {seq + 1 + 65_537} ack 5001
        """
    )


def test_TW_6_the_record_returns_when_the_successor_dies(play: Play) -> None:
    """The SYN was an old duplicate: its sender resets, and TIME-WAIT goes on as if nothing was."""
    play(CLOSED_BY_US)
    play(
        """
        +100 wait
        anew 5000
        < S 0
        records 1
        > SA 0 ack 1
        < R 1
        connections 0
        records 1
        240 records 1
        240.2 records 0
        """
    )


def test_TW_6_a_record_that_returned_keeps_its_place(play: Play) -> None:
    """Others that began later do not hold it up."""
    play(CLOSED_BY_US)
    play(
        """
        flow b 192.0.2.1:4000 1001
        +100 wait
        b.connect
        b> S 0
        b< SA 0 ack 1
        b> A 1 ack 1
        b.shutdown
        b> FA 1 ack 1
        b< FA 1 ack 2
        b> A 2 ack 2
        records 2
        +10 wait
        anew 5000
        < S 0
        > SA 0 ack 1
        < R 1
        records 2
        240 records 2
        240.2 records 1
        340 records 1
        340.2 records 0
        """
    )


def test_TW_6_a_SYN_that_finds_no_room_leaves_the_record(play: Play) -> None:
    """SYNC-1: the half-open children are at their limit."""
    play.configure(half_open_max=1)
    play(CLOSED_BY_US)
    play(
        """
        flow b 192.0.2.1:4000 2000
        b< S 0
        b> SA 0 ack 1
        < S 5000                            # no cookie: its ACK would find the record
        count HALF_OPEN_OVERFLOW 1
        records 1
        """
    )


def test_TW_7_active_open_on_ports_in_TIME_WAIT(play: Play) -> None:
    play(CLOSED_BY_US)
    play("fails EADDRINUSE connect")
    other = play.table.open_active(play.connection.path, 1000, play.now)
    assert other.ports != play.connection.ports


def test_TW_8_DEF_46_records_are_bounded(play: Play) -> None:
    """BUF-6: the oldest goes, and is counted."""
    play.configure(time_wait_max=1)
    play(CLOSED_BY_US)
    play(
        """
        flow b 192.0.2.1:4000 1001
        b< S 0
        b> SA 0 ack 1
        b< A 1 ack 1
        b.accept
        b.shutdown
        b> FA 1 ack 1
        b< FA 1 ack 2
        b> A 2 ack 2
        records 1
        count TIME_WAIT_OVERFLOW 1
        < FA 1 ack 2                        # the first is forgotten
        > R 2
        b< FA 1 ack 2
        b> A 2 ack 2
        """
    )


def test_TW_10_TS_2_ST_20_timestamps_in_TIME_WAIT(play: Play) -> None:
    """The clock goes on, TS.Recent stands, an older stamp gets an ACK and starts nothing."""
    play(CLOSED_BY_US_TS)
    play(
        """
        +100 < FA 1 ack 2 <TS 1000 0>
        > A 2 ack 2 <TS 100200 1000>
        +100 < FA 1 ack 2 <TS 999 0>
        > A 2 ack 2 <TS 200200 1000>
        < FA 1 ack 2 <noTS>                 # TS-6
        340.1 records 1
        340.3 records 0
        """
    )
