"""How large a segment may be: what we announce, what the peer takes, what the path carries."""

import pytest

from rudp.core.segment.transmit import Path
from tests.scripts.kit import Play, active

IPV6: Path = (("2001:db8::1", 4000, 0, 0), "")


@pytest.fixture
def play6(request: pytest.FixtureRequest) -> Play:
    """A peer behind an IPv6 address."""
    return Play(path=IPV6)


def test_W_50_MUST_14_MUST_67_the_MSS_we_announce(play: Play, play6: Play) -> None:
    """W-51, DEF-34: what fits an Ethernet frame beside IP, UDP and the fixed header."""
    play("connect \n > S 0 <mss 1452, sackOK, TS 0 0, ws 3>")
    play6("connect \n > S 0 <mss 1432, sackOK, TS 0 0, ws 3>")


def test_MUST_15_W_52_without_the_option(play: Play, play6: Play) -> None:
    """DEF-35."""
    play(active("nop"))
    play("send 1000 \n > A 1:537(536) ack 1 \n > PA 537:1001(464) ack 1")
    play6(active("nop"))
    play6("info peer_mss 1220 \n send 1212 \n > PA 1:1213(1212) ack 1")  # the path has less room


def test_MUST_16_W_53_the_smaller_of_peer_and_path(play: Play, play6: Play) -> None:
    """W-56, UDP-4: 1200 octets of payload over IPv4, 1232 over IPv6, unless the path is known."""
    play(active("mss 9000"))
    play(
        """
        send 1180
        > PA 1:1181(1180) ack 1
        send 1181
        > A 1181:2361(1180) ack 1
        > PA 2361:2362(1) ack 1
        """
    )
    play.configure()
    play(active("mss 500"))
    play("send 501 \n > A 1:501(500) ack 1 \n > PA 501:502(1) ack 1")
    play6(active("mss 9000"))
    play6("send 1213 \n > A 1:1213(1212) ack 1 \n > PA 1213:1214(1) ack 1")


def test_W_54_options_take_their_share(play: Play) -> None:
    """W-53: timestamps 12 octets of every segment, SACK blocks of the segment they are in."""
    play(active("mss 1000, TS 0 0, sackOK"))
    play(
        """
        info mss 988
        < PA 11:21(10) ack 1
        > A 1 ack 1 <TS 100 0, sack 11:21>
        send 988
        > A 1:977(976) ack 1 <TS 100 0, sack 11:21>
        > PA 977:989(12) ack 1 <TS 100 0, sack 11:21>
        """
    )


@pytest.mark.parametrize("mss", [0, 1, 87, 88])
def test_W_55_a_silly_MSS_is_raised(play: Play, mss: int) -> None:
    """DEF-36, M-21."""
    play(active(f"mss {mss}"))
    play("send 100 \n > A 1:89(88) ack 1 \n > PA 89:101(12) ack 1")


def test_MUST_65_MUST_5_the_MSS_option_elsewhere_is_ignored(play: Play) -> None:
    play(active("mss 500"))
    play("< A 1 ack 1 <mss 100> \n send 500 \n > PA 1:501(500) ack 1 <>")


def test_SHLD_28_SHLD_27_full_segments_whatever_the_writes(play: Play) -> None:
    play(active("mss 1000"))
    play(
        "send 7 \n" * 300
        + """
        > A 1:1001(1000) ack 1
        > A 1001:2001(1000) ack 1
        > PA 2001:2101(100) ack 1
        """
    )
