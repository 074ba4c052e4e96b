"""What one UDP socket has seen, by name: the counters, and how much of everything there is."""

from typing import TypedDict


class EndpointStats(TypedDict, total=False):
    """What ``endpoint.stats()`` returns; what is about the system's socket, only if there is one.

    Counters are of segments unless something else is said, since the socket was opened.
    """

    connections: int
    """Connections there are, in any state but TIME-WAIT (RFC 9293 §3.3.2)."""
    half_open: int
    """Connections that a SYN has asked for and that are in SYN-RECEIVED (RFC 9293 §3.10.7.2)."""
    reassembly_octets: int
    """Octets held ahead of gaps, by all connections together, what holding them costs included."""
    time_wait_records: int
    """Connections in TIME-WAIT (RFC 9293 §3.4.2)."""
    socket_receive_buffer: int
    """Octets that the system keeps for the socket, its own overhead included (SO_RCVBUF)."""
    socket_send_buffer: int
    """Octets that the system takes from the socket, its own overhead included (SO_SNDBUF)."""
    socket_receive_drops: int
    """Batches of 1 to 64 datagrams, merged by UDP_GRO, that found no room there; on Linux."""

    segment_shorter_than_header: int
    """Datagrams too short for a TCP header (RFC 9293 §3.1)."""
    data_offset_invalid: int
    """Data offset below 5, or beyond the end of the datagram (RFC 9293 §3.1)."""
    option_length_invalid: int
    """An option with a length that cannot be (RFC 9293 §3.2, MUST-7)."""
    port_zero: int
    """One of the ports is 0."""
    source_address_invalid: int
    """From an address that is no single host's (RFC 9293 §3.9.2.3, MUST-63)."""
    no_connection: int
    """For a connection that there is not (RFC 9293 §3.10.7.1)."""
    rst_sent: int
    """Resets sent (RFC 9293 §3.5.2)."""
    rst_throttled: int
    """Resets not sent, for there were too many this second."""
    ao_missing: int
    """Segments without a signature, where keys ask for one."""
    ao_key_unknown: int
    """Segments signed with a key that is not ours, or not valid now."""
    ao_mac_wrong: int
    """Segments whose signature is wrong: forged, damaged, or signed with another secret."""
    path_challenged: int
    """Questions, sent to where a peer seemed to be, whether it is there (RFC 9000 §8.2)."""
    path_moved: int
    """Connections whose peer has proved to be at another address (RFC 9000 §9.3)."""
    rst_ignored: int
    """Resets that proved nothing (RFC 9293 §3.10.7, RFC 5961 §3)."""
    listen_dropped: int
    """For a listener, and no SYN that could open anything (RFC 9293 §3.10.7.2)."""
    half_open_overflow: int
    """SYNs for which a listener had no room among its half-open connections."""
    syn_cookie_sent: int
    """SYN,ACKs that remember in their number what the listener does not (RFC 4987 §3.6)."""
    syn_cookie_accepted: int
    """ACKs of such a number that opened a connection (RFC 4987 §3.6)."""
    syn_cookie_invalid: int
    """ACKs to a listener that bear no such number, or too late (RFC 4987 §3.6)."""
    fast_open_accepted: int
    """SYNs whose data was taken at once, for they bore a good cookie (RFC 7413 §4.2.2)."""
    fast_open_refused: int
    """SYNs with a cookie that is not ours, or too old (RFC 7413 §4.2.2)."""
    accept_overflow: int
    """SYNs for which there was no room among those that nobody has accepted yet."""
    amplification_limit: int
    """SYN,ACKs not sent, for the peer has paid for no more of them yet."""
    paws_rejected: int
    """Old duplicates by their timestamps (PAWS, RFC 7323 §5)."""
    timestamp_missing: int
    """Without the timestamps that were agreed on (RFC 7323 §3.2)."""
    sequence_unacceptable: int
    """Outside the receive window (RFC 9293 §3.10.7.4, first)."""
    ack_unacceptable: int
    """Acknowledging what was never sent, or long ago (RFC 9293 §3.10.7.4, RFC 5961 §5)."""
    ack_bit_off: int
    """Without ACK in a state that needs it (RFC 9293 §3.10.7.4, fifth)."""
    ack_throttled: int
    """ACKs not sent in answer, for there were too many (RFC 5961 §7)."""
    challenge_ack_sent: int
    """Challenge ACKs (RFC 5961 §3.2, §4.2)."""
    data_after_close: int
    """Data that came when the user had closed, and whose reset had to wait (RFC 9293 §3.6.1)."""
    reassembly_overflow: int
    """Runs with data ahead of a gap that found no room."""
    sack_block_invalid: int
    """SACK blocks that make no sense (RFC 2018 §4)."""
    time_wait_overflow: int
    """Connections put out of TIME-WAIT before their time, for there were too many."""
    time_wait_dropped: int
    """For a connection in TIME-WAIT, and not answered (RFC 9293 §3.10.7.4, RFC 1337)."""
    connection_overflow: int
    """Connections not opened, for there were too many."""
    idle_timeout: int
    """Connections ended because nothing was heard from the peer for too long."""
    icmp_ignored: int
    """ICMP errors about nothing that is outstanding (RFC 5927 §4.1)."""
    datagram_not_sent: int
    """Datagrams that the system refused, each of a batch, or that found no room to wait."""
    ecn_fallback: int
    """Connections that count marks, and whose own data goes without ECN, for one of the reasons of
    :class:`rudp.core.terms.feedback.Fallback`."""
    ecn_option_lost: int
    """Connections that send no AccECN option any more, for the first data with one was lost
    (RFC 9768 §3.2.3.2.2)."""
