"""Each lab as a learner may solve it, and slips that a learner may make.

A solution is what is put in the place of the class in the file that a lab begins with; a slip
replaces some of its text, and must be found.
"""

from typing import Final

SOLUTIONS: Final[dict[str, str]] = {
    "wire": """
import struct

class Codec:
    def parse(self, datagram):
        if len(datagram) < 20:
            return None
        fields = struct.unpack("!HHIIBBHHH", datagram[:20])
        source, destination, seq, ack, offset, flags, window, _, urgent = fields
        size = (offset >> 4) * 4
        if size < 20 or size > len(datagram):
            return None
        header = Header(source, destination, seq, ack, flags, window, urgent, datagram[20:size])
        return header, datagram[size:]

    def build(self, header, data):
        return struct.pack(
            "!HHIIBBHHH", header.source, header.destination, header.seq, header.ack,
            (20 + len(header.options)) // 4 << 4, header.flags, header.window, 0, header.urgent,
        ) + header.options + data
""",
    "checksum": """
class Checksum:
    def compute(self, source, destination, segment):
        segment = segment[:16] + bytes(2) + segment[18:]
        size = len(segment)
        if len(source) == 4:
            pseudo = source + destination + bytes([0, 6]) + size.to_bytes(2, "big")
        else:
            pseudo = source + destination + size.to_bytes(4, "big") + bytes([0, 0, 0, 6])
        data = pseudo + segment + bytes(size % 2)
        total = sum(data[at] << 8 | data[at + 1] for at in range(0, len(data), 2))
        while total > 0xFFFF:
            total = (total & 0xFFFF) + (total >> 16)
        return 0xFFFF - total

    def is_valid(self, source, destination, segment):
        field = segment[16] << 8 | segment[17]
        right = self.compute(source, destination, segment)
        return field == right or {field, right} == {0, 0xFFFF}
""",
    "handshake": """
import hashlib

SPOTS = 8

class Numbers:
    def __init__(self, secret):
        self.key = hashlib.blake2s(secret, person=b"isn").digest()
        self.cookie_key = hashlib.blake2s(secret, person=b"cookie").digest()

    def keyed(self, key, *what):
        text = repr(what).encode()
        return int.from_bytes(hashlib.blake2s(text, key=key, digest_size=4).digest(), "big")

    def isn(self, peer, ports, now):
        return int(now * 250_000) + self.keyed(self.key, peer, ports) & 0xFFFF_FFFF

    def cookie(self, peer, ports, irs, mss, now):
        index = max(n for n, one in enumerate(MSS) if one <= mss)
        return self.made(peer, ports, irs, index, int(now // 60))

    def made(self, peer, ports, irs, index, slot):
        tag = self.keyed(self.cookie_key, peer, ports, irs, index, slot)
        return (tag & ~0x1F) | (slot % SPOTS) << 2 | index

    def mss_of(self, peer, ports, irs, cookie, now):
        index = cookie & 3
        for slot in (int(now // 60), int(now // 60) - 1):
            if self.made(peer, ports, irs, index, slot) == cookie:
                return MSS[index]
        return None
""",
    "close": """
CLOSING = {
    (State.SYN_RECEIVED, Cause.CLOSE): State.FIN_WAIT_1,
    (State.ESTABLISHED, Cause.CLOSE): State.FIN_WAIT_1,
    (State.ESTABLISHED, Cause.RCV_FIN): State.CLOSE_WAIT,
    (State.FIN_WAIT_1, Cause.RCV_ACK_OF_FIN): State.FIN_WAIT_2,
    (State.FIN_WAIT_1, Cause.RCV_FIN): State.CLOSING,
    (State.FIN_WAIT_2, Cause.RCV_FIN): State.TIME_WAIT,
    (State.CLOSE_WAIT, Cause.CLOSE): State.LAST_ACK,
    (State.CLOSING, Cause.RCV_ACK_OF_FIN): State.TIME_WAIT,
    (State.LAST_ACK, Cause.RCV_ACK_OF_FIN): State.CLOSED,
    (State.TIME_WAIT, Cause.TIMEOUT_2MSL): State.CLOSED,
}

class Machine:
    def after(self, state, cause):
        if cause is Cause.DELETE and state is not State.CLOSED:
            return State.CLOSED
        return (OPENING | CLOSING)[state, cause]
""",
    "reassembly": """
class Queue:
    def __init__(self):
        self.octets = {}
        self.latest = []

    def insert(self, seq, data):
        for at, octet in enumerate(data, seq):
            self.octets.setdefault(at, octet)
        self.latest.insert(0, seq)

    def take(self, rcv_nxt):
        data = bytearray()
        while rcv_nxt in self.octets:
            data.append(self.octets[rcv_nxt])
            rcv_nxt += 1
        for at in [at for at in self.octets if at < rcv_nxt]:
            del self.octets[at]
        return bytes(data)

    def ranges(self):
        found = []
        for at in sorted(self.octets):
            if found and found[-1][1] == at:
                found[-1] = found[-1][0], at + 1
            else:
                found.append((at, at + 1))
        return found

    def blocks(self, most):
        ranges = self.ranges()
        found = []
        for seq in self.latest:
            for left, right in ranges:
                if left <= seq < right and (left, right) not in found:
                    found.append((left, right))
        for one in ranges:
            if one not in found:
                found.append(one)
        return found[:most]
""",
    "receiver": """
from rudp.core.terms.why import Why

class Window(Receiver):
    def is_acceptable(self, seq, length):
        nxt, edge = self.rcv_nxt, self.right_edge
        if length == 0:
            return seq == nxt or nxt <= seq < edge
        return nxt < edge and (nxt <= seq < edge or nxt < seq + length <= edge or
                               (seq < nxt and seq + length > edge))

    def window_field(self):
        most = min(self.receive_buffer, 0xFFFF << self.shift)
        room = max(min(self.receive_buffer - self.ready_octets, most), 0)
        edge = self.rcv_nxt + room
        if edge - self.promised >= self.rmss or edge - self.promised >= most // 2:
            field = min((edge - self.rcv_nxt) >> self.shift, 0xFFFF)
            self.promised = max(self.promised, self.rcv_nxt + (field << self.shift))
        unit = 1 << self.shift
        field = min((self.promised - self.rcv_nxt + unit - 1) >> self.shift, 0xFFFF)
        self.right_edge = max(self.right_edge, self.rcv_nxt + (field << self.shift))
        return field

    def take_fin(self):
        if self.fin_seq != self.rcv_nxt:
            return False
        self.rcv_nxt += 1
        self.end()
        self.ack_now(Why.FIN_RECEIVED)
        return True
""",
    "rtt": """
class Rto:
    def __init__(self, floor, ceiling):
        self.floor, self.ceiling = floor, ceiling
        self.rto = 1.0
        self.srtt = None

    def sample(self, r):
        if self.srtt is None:
            self.srtt, self.rttvar = r, r / 2
        else:
            self.rttvar = 3 / 4 * self.rttvar + abs(self.srtt - r) / 4
            self.srtt = 7 / 8 * self.srtt + r / 8
        rto = self.srtt + max(G, 4 * self.rttvar)
        self.rto = min(max(rto, self.floor), self.ceiling)

    def back_off(self):
        self.rto = min(2 * self.rto, self.ceiling)
""",
    "sender": """
class Half(Sender):
    def next_run(self, now, max_segments, mss, runs=1):
        board = self.board
        room = self.flight.window - board.in_flight
        if board.lost.octets:
            if room >= mss or not board.in_flight or self.flight.resend_now:
                left, right = board.lost.lefts[0], board.lost.rights[0]
                return left, min(right, left + mss)
            return None
        nxt = self.snd_nxt
        usable = self.snd_una + self.snd_wnd - nxt
        unsent = self.buffer.end - nxt
        if unsent <= 0:
            if self.fin_seq == nxt and usable > 0:
                return nxt, nxt + 1
            return None
        size = min(unsent, usable, mss)
        if size <= 0 or (size > room and board.in_flight):
            return None
        if size < mss:
            if size < unsent:
                if 2 * size < self.max_snd_wnd or (nxt > self.snd_una and not self.nodelay):
                    return None
            elif not self.may_send_small(size):
                return None
        end = nxt + size
        if end == self.fin_seq and size < usable:
            end += 1
        return nxt, end

    def may_send_small(self, size):
        if not size or self.nodelay or self.fin_seq is not None:
            return True
        return self.snd_sml <= self.snd_una
""",
    "congestion": """
class Reno(Controller):
    counted = 0

    def __init__(self, smss, initial_window):
        super().__init__(smss, initial_window)
        self.acked = 0

    def on_ack(self, ack):
        if not ack.cwnd_limited:
            return
        if self.cwnd < self.ssthresh:
            self.cwnd += min(ack.delivered, self.smss)
        else:
            self.acked += ack.delivered
            if self.acked >= self.cwnd:
                self.acked -= self.cwnd
                self.cwnd += self.smss

    def on_congestion(self, signal, flight_size, now):
        self.ssthresh = max(flight_size // 2, 2 * self.smss)
        if signal is Signal.ECN:
            self.cwnd = self.ssthresh

    def on_timeout(self, flight_size, first, now):
        if first:
            self.ssthresh = max(flight_size // 2, 2 * self.smss)
        self.cwnd = self.smss
""",
}

SLIPS: Final[dict[str, list[tuple[str, str]]]] = {
    "wire": [("!HHIIBBHHH", "<HHIIBBHHH"), ("size < 20 or ", ""), ("datagram[20:size]", 'b""')],
    "checksum": [
        ("bytes(size % 2)", 'b""'),
        ("(total & 0xFFFF) + (total >> 16)", "total & 0xFFFF"),
        ("return field == right or {field, right} == {0, 0xFFFF}", "return True"),
    ],
    "handshake": [
        ("self.keyed(self.key, peer, ports)", "self.keyed(self.key, peer)"),
        ("int(now * 250_000) + ", "0 + "),
        (" int(now // 60) - 1", ""),
        ("self.cookie_key, peer, ports, irs, index, slot", "self.cookie_key, peer, ports, irs"),
    ],
    "close": [
        ("Cause.RCV_FIN): State.CLOSING", "Cause.RCV_FIN): State.TIME_WAIT"),
        (
            "(State.CLOSE_WAIT, Cause.CLOSE): State.LAST_ACK",
            "(State.CLOSE_WAIT, Cause.CLOSE): State.FIN_WAIT_1",
        ),
        ("[state, cause]", ".get((state, cause), state)"),
    ],
    "reassembly": [
        ("self.octets.setdefault(at, octet)", "self.octets[at] = octet"),
        ("if at < rcv_nxt", "if at < rcv_nxt - 5"),
        ("for seq in self.latest", "for seq in []"),
    ],
    "receiver": [
        ("seq == nxt or nxt <= seq < edge", "nxt <= seq < edge"),
        ("nxt < edge and (", "(False or "),
        ("edge - self.promised >= self.rmss or ", "edge > self.promised or "),
        ("self.promised - self.rcv_nxt + unit - 1", "self.promised - self.rcv_nxt"),
    ],
    "rtt": [
        (
            "3 / 4 * self.rttvar + abs(self.srtt - r) / 4",
            "7 / 8 * self.rttvar + abs(self.srtt - r) / 8",
        ),
        ("min(2 * self.rto, self.ceiling)", "self.rto"),
        ("max(G, 4 * self.rttvar)", "4 * G"),
    ],
    "sender": [
        ("min(unsent, usable, mss)", "min(unsent, mss)"),
        ("room >= mss or not board.in_flight or self.flight.resend_now", "False"),
        ("(size > room and board.in_flight)", "False"),
        ("self.snd_sml <= self.snd_una", "True"),
    ],
    "congestion": [
        ("self.cwnd += min(ack.delivered, self.smss)", "self.cwnd += 4 * self.smss"),
        (
            "flight_size // 2, 2 * self.smss)\n        if signal",
            "flight_size, 2 * self.smss)\n        if signal",
        ),
        ("        self.cwnd = self.smss\n", ""),
        ("self.acked >= self.cwnd", "True"),
    ],
}
