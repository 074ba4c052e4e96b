"""The window the peer gives us: what counts as its latest word, and what its going back means."""

from tests.scripts.kit import Play, active


def test_TRAP_1_an_acknowledgement_that_is_news_brings_its_window(play: Play) -> None:
    """MUST-34: the peer fills a hole, so its SEG.SEQ is old and its SEG.ACK new.

    To keep the old window would move the right edge as far as the acknowledgement moved SND.UNA,
    beyond what the peer granted; it would drop the data, and every later ACK numbered behind it.
    """
    play(active(win=3000))
    play(
        """
        send 6000
        > A 1:1001(1000) ack 1
        > A 1001:2001(1000) ack 1
        > A 2001:3001(1000) ack 1
        < A 1001:2001(1000) ack 1 win 3000
        > A 3001 ack 1
        +0.1 < A 1:1001(1000) ack 3001 win 1000
        > A 3001:4001(1000) ack 2001
        < A 2001 ack 4001 win 2000
        > A 4001:5001(1000) ack 2001
        > PA 5001:6001(1000) ack 2001
        """
    )
