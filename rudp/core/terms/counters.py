"""What was dropped, refused or cut short, and how often.

Input from the network is never an error to the program: it is counted under a reason and thrown
away.  The reasons are a closed list, so the counters cannot grow.
"""

import enum


class Count(enum.StrEnum):
    """A reason to count something."""

    SHORT = "segment_shorter_than_header"
    BAD_OFFSET = "data_offset_invalid"
    BAD_OPTION = "option_length_invalid"
    BAD_PORT = "port_zero"
    BAD_SOURCE = "source_address_invalid"
    NO_CONNECTION = "no_connection"
    RST_SENT = "rst_sent"
    RST_THROTTLED = "rst_throttled"
    RST_IGNORED = "rst_ignored"
    AO_MISSING = "ao_missing"
    AO_KEY_UNKNOWN = "ao_key_unknown"
    AO_MAC_WRONG = "ao_mac_wrong"
    PATH_CHALLENGED = "path_challenged"
    PATH_MOVED = "path_moved"
    LISTEN_DROPPED = "listen_dropped"
    HALF_OPEN_OVERFLOW = "half_open_overflow"
    COOKIE_SENT = "syn_cookie_sent"
    COOKIE_ACCEPTED = "syn_cookie_accepted"
    COOKIE_INVALID = "syn_cookie_invalid"
    FAST_OPEN_ACCEPTED = "fast_open_accepted"
    FAST_OPEN_REFUSED = "fast_open_refused"
    ACCEPT_OVERFLOW = "accept_overflow"
    AMPLIFICATION_LIMIT = "amplification_limit"
    PAWS = "paws_rejected"
    TIMESTAMP_MISSING = "timestamp_missing"
    UNACCEPTABLE = "sequence_unacceptable"
    ACK_UNACCEPTABLE = "ack_unacceptable"
    ACK_MISSING = "ack_bit_off"
    ACK_THROTTLED = "ack_throttled"
    CHALLENGE_ACK = "challenge_ack_sent"
    NOT_READ = "data_after_close"
    REASSEMBLY_OVERFLOW = "reassembly_overflow"
    SACK_INVALID = "sack_block_invalid"
    TIME_WAIT_OVERFLOW = "time_wait_overflow"
    TIME_WAIT_DROPPED = "time_wait_dropped"
    CONNECTION_OVERFLOW = "connection_overflow"
    IDLE_TIMEOUT = "idle_timeout"
    ICMP_IGNORED = "icmp_ignored"
    SEND_DROPPED = "datagram_not_sent"
    ECN_FALLBACK = "ecn_fallback"
    ECN_OPTION_LOST = "ecn_option_lost"


class Counters(dict[Count, int]):
    """How often each :class:`Count` happened; what never happened reads as 0."""

    __slots__ = ()

    def __missing__(self, reason: Count) -> int:
        return 0
