"""The window we announce: scaled or not, opened in steps, never taken back."""

from tests.scripts.harness import Play, passive


def test_SWS_4_reading_from_a_buffer_beyond_the_window_field_sends_no_update(play: Play) -> None:
    """DACK-3: without scaling 65535 is all that can be said, so a small read is no news."""
    play(passive())
    play(
        """
        < PA 1:101(100) ack 1
        +0.04 > A 1 ack 101 win 65435
        read 100
        < PA 101:201(100) ack 1
        +0.04 > A 1 ack 201 win 65335
        """
    )
