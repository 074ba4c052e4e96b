"""Who may speak in a connection that has keys: what leaves is signed, and what comes is checked.

A :class:`Guard` has the master keys that fit the peer, and of them two that count: the *current*
key signs, and the *asked* one (Rnext_key) is what the peer is told to sign with (RFC 5925 §6.1).
The peer's wish moves the current key, our wish moves the peer's; so keys change while data flows,
without a round trip in which nothing is believed.  Each key becomes four traffic keys, for SYN and
for the rest, there and back (§5.2).

Sequence numbers of the core never wrap, so the extension that keeps segments of another time round
out (§6.2) is what stands above their 32 bits.
"""

import errno
from collections.abc import Callable, Sequence
from typing import Final

from rudp.core.segment.options import SignedOptions, encode_unsigned
from rudp.core.segment.seqnum import from_wire, wire_after
from rudp.core.segment.signature import NO_ADDRESS, Signature
from rudp.core.segment.transmit import Path, Transmit
from rudp.core.segment.wire import ACK, SYN, Run, swap_ports
from rudp.core.terms.counters import Count
from rudp.keys import ALWAYS, MasterKey, packed

KEY_REJECTED: Final = getattr(errno, "EKEYREJECTED", errno.EACCES)
"""The errno of an open that was answered, but not with the key."""

FOREVER: Final = (ALWAYS, ALWAYS)
"""Both lifetimes of a key that has none."""

STAMPS_TELL: Final = 24 * 86_400.0
"""Seconds for which of two timestamps, milliseconds, the later is told (RFC 7323 §5.5)."""

Wish = tuple[int, int, int | None, float]
"""When a key was asked for: SEG.SEQ and SEG.ACK, growing, TSval if that is authentic, our time."""


class Guard:
    """The keys of one connection; *ports*: local TCP port << 16 | remote TCP port.

    ``iss`` and ``irs``: the initial numbers, 32 bits, None as long as they are not known.
    ``snd_nxt`` and ``rcv_nxt``: the last ones, growing, of a connection in TIME-WAIT.
    *calendar* tells the Unix time, for keys that have lifetimes; None if that is what ``now`` is.
    """

    __slots__ = (
        "_asked",
        "_calendar",
        "_current",
        "_is_timed",
        "_keys",
        "_option",
        "_ours",
        "_path",
        "_ports",
        "_theirs",
        "_wish",
        "irs",
        "iss",
        "rcv_nxt",
        "snd_nxt",
    )

    def __init__(
        self,
        keys: Sequence[MasterKey],
        path: Path,
        ports: int,
        calendar: Callable[[], float] | None,
    ) -> None:
        self.iss: int | None = None
        self.irs: int | None = None
        self.snd_nxt = 0
        self.rcv_nxt = 0
        self._path = path
        self._ports = ports
        self._calendar = calendar
        self._theirs: dict[int, Signature] = {}
        self._ours: Signature | None = None
        self._wish: Wish | None = None  # of the segment that changed the current key last
        self._keys: Sequence[MasterKey] = keys
        self._is_timed = False
        self._current = self._asked = keys[0]
        self._option = b""
        self.change(keys)

    @classmethod
    def of(
        cls,
        keys: Sequence[MasterKey],
        path: Path,
        ports: int,
        calendar: Callable[[], float] | None,
    ) -> "Guard | None":
        """Return the guard of a connection, None if none of *keys* is for its peer.

        Raises :class:`OSError` with EADDRNOTAVAIL if one covers real addresses, and ours is not
        known.
        """
        host = str(path[0][0])
        fitting = tuple([key for key in keys if key.matches(host)])
        if not fitting:
            return None
        for key in fitting:
            _addresses(key, path)
        return cls(fitting, path, ports, calendar)

    @property
    def key_ids(self) -> tuple[int, int]:
        """The KeyID of what we sign, and the one that we ask the peer for."""
        return self._current.send_id, self._asked.recv_id

    @property
    def may_roam(self) -> bool:
        """Whether the MACs cover options and no addresses."""
        return all(key.covers_options and key.addresses == "none" for key in self._keys)

    @property
    def is_plain(self) -> bool:
        """Whether the MACs are HMACs that cover options: those that are begun for the lane in C."""
        return all(key.covers_options and key.is_hmac for key in self._keys)

    def is_for(self, host: str) -> bool:
        """Return whether all keys are for a peer at *host*: one with a network keeps it there."""
        return all(key.matches(host) for key in self._keys)

    def change(self, keys: Sequence[MasterKey]) -> None:
        """Go on with *keys*, one or more; the first is asked for.

        The current one stays until the peer asks for another, if it is among them.
        """
        self._keys = keys
        self._is_timed = any((key.send_lifetime, key.recv_lifetime) != FOREVER for key in keys)
        self._theirs.clear()
        self._use(self._current if self._current in keys else keys[0], keys[0])

    def meet(self, irs: int) -> None:
        """The peer's SYN has come: its number is *irs*."""
        self.irs = irs
        self._theirs.clear()
        self._ours = None

    # -- what leaves -----------------------------------------------------------------------------

    def option(self, now: float) -> bytes:
        """Return the authentication option of what is sent at *now*, its MAC still zeros."""
        if self._is_timed:
            self._follow_lifetimes(now)
        return self._option

    def sign(self, train: Sequence[Transmit], seq: int) -> None:
        """Write the MACs of *train*; all its segments end their options with :meth:`option`.

        *seq*: SEG.SEQ of the first, a growing number.
        """
        head = bytes(train[0].buffers[0])
        if head[13] & (SYN | ACK) == SYN:
            signature = self._signature(self._current, True, 0)
        else:
            signature = self.signer()
        for transmit in train:
            seq = from_wire(int.from_bytes(bytes(transmit.buffers[0])[4:8], "big"), seq)
            signature.sign(transmit.buffers, transmit.size, transmit.total, seq)

    def signer(self) -> Signature:
        """Return who signs what is no SYN, under the current key."""
        if self._ours is None:
            self._ours = self._signature(self._current, True, self.irs or 0)
        return self._ours

    def sign_segment(self, segment: bytes, seq: int) -> bytes:
        """Return *segment*, which has no data, with its MAC."""
        size = len(segment)
        transmit = Transmit(self._path, [segment], size, size)
        self.sign([transmit], seq)
        return bytes(transmit.buffers[0])

    def rest(self, snd_nxt: int, rcv_nxt: int) -> None:
        """The connection is in TIME-WAIT: nothing goes beyond these numbers any more."""
        self.snd_nxt = snd_nxt
        self.rcv_nxt = rcv_nxt

    def sign_last(self, segment: bytes) -> bytes:
        """Return *segment*, which is sent in TIME-WAIT, with its MAC."""
        return self.sign_segment(segment, self.snd_nxt)

    # -- what comes ------------------------------------------------------------------------------

    def check(self, run: Run, near: int, acked: int, now: float) -> Count | None:
        """Return why *run* is not to be believed, None if it is authentic, all of it.

        *near* and *acked*: RCV.NXT and SND.UNA, growing numbers.  A SYN of our own that comes back
        is nobody's: without addresses nothing else tells the two ends of a simultaneous open apart.
        """
        opts = run.options
        if not isinstance(opts, SignedOptions):
            return Count.AO_MISSING
        key = self._key_of(opts.key_id, now)
        if key is None:
            return Count.AO_KEY_UNKNOWN
        if run.flags & SYN:
            seq = near = run.seq
            if seq == self.iss:
                return Count.AO_MAC_WRONG
            ours = self.iss or 0 if run.flags & ACK else 0
            signature = self._signature(key, False, ours, seq)
        elif self.irs is None:
            return Count.AO_MAC_WRONG
        else:
            seq = from_wire(run.seq, near)
            signature = self._theirs.get(opts.key_id) or self._remembered(key)
        if not signature.is_on(run, seq):
            return Count.AO_MAC_WRONG
        if opts.next_id != self._current.send_id:
            tsval = opts.tsval if key.covers_options else None
            wish = seq, from_wire(run.ack, acked), tsval, now
            if self._is_news(wish, near) if self.irs is not None else run.flags & SYN:
                self._follow(opts.next_id, wish, now)
        return None

    def checker(self, ids: int, now: float) -> Signature | None:
        """Return who checks what is no SYN and names its keys *ids*: KeyID << 8 | RNextKeyID.

        None if its key does not count, or if it asks us for another one: for :meth:`check`.
        """
        if ids & 0xFF != self._current.send_id:
            return None
        known = self._theirs.get(ids >> 8)
        if known is None or self._is_timed:
            key = self._key_of(ids >> 8, now)
            if key is None:
                return None
            known = known or self._remembered(key)
        return known

    def check_last(self, run: Run, now: float) -> Count | None:
        """Return the same in TIME-WAIT."""
        return self.check(run, self.rcv_nxt, self.snd_nxt, now)

    def admit(self, run: Run, now: float) -> Count | None:
        """Check the segment that opens a connection from outside: SYN, or the ACK of a cookie.

        What it was signed with is asked for further on, and what it asks for is used (§7.3).
        """
        opts = run.options
        near = run.seq if self.irs is None else self.irs + 1  # which may have wrapped on the wire
        reason = self.check(run, near, run.ack, now)
        if reason is None and isinstance(opts, SignedOptions):
            key = self._key_of(opts.key_id, now)
            if key is not None:
                self._use(key, key)
                self._follow(opts.next_id, (run.seq, run.ack, None, now), now)
        return reason

    # -- inside ----------------------------------------------------------------------------------

    def _key_of(self, key_id: int, now: float) -> MasterKey | None:
        """Return the key of *key_id*, if it counts at *now*."""
        for key in self._keys:
            if key.recv_id == key_id:
                return key if self._counts(key.recv_lifetime, now) else None
        return None

    def _is_news(self, wish: Wish, near: int) -> bool:
        """Return whether *wish* is later than what changed the current key; *near*: RCV.NXT.

        A replay of what was said before must not change it back: the peer may have given up the
        old key since then.  Acknowledgements without data fit RCV.NXT long after they were said.
        """
        seq, ack, tsval, now = wish
        if seq < near or self._wish is None:
            return seq >= near
        last_seq, last_ack, last_tsval, then = self._wish
        if tsval is not None and last_tsval is not None and now - then < STAMPS_TELL:
            return wire_after(tsval, last_tsval)
        return seq > last_seq or ack > last_ack

    def _follow(self, next_id: int, wish: Wish, now: float) -> None:
        """The peer asks for the key *next_id*: it has it, so from now on that signs."""
        for key in self._keys:
            if key.send_id == next_id and self._counts(key.send_lifetime, now):
                if key is not self._current:
                    self._wish = wish
                self._use(key, self._asked)

    def _follow_lifetimes(self, now: float) -> None:
        """Leave a key that may not sign any more, and ask for the one that is believed latest."""
        today = self._today(now)
        asked, current = self._asked, self._current
        counting = [key for key in (asked, *self._keys) if _holds(key.recv_lifetime, today)]
        asked = max(counting or [asked], key=lambda key: key.recv_lifetime[0])
        if not _holds(current.send_lifetime, today):
            begun = [key for key in self._keys if key.send_lifetime[0] <= today]
            signing = [key for key in begun if today < key.send_lifetime[1]]
            current = max(signing or begun or [current], key=lambda key: key.send_lifetime)
        if asked is not self._asked or current is not self._current:
            self._use(current, asked)

    def _counts(self, lifetime: tuple[float, float], now: float) -> bool:
        return not self._is_timed or _holds(lifetime, self._today(now))

    def _today(self, now: float) -> float:
        return now if self._calendar is None else self._calendar()

    def _use(self, current: MasterKey, asked: MasterKey) -> None:
        self._current = current
        self._asked = asked
        self._ours = None
        self._option = encode_unsigned(current.send_id, asked.recv_id)

    def _remembered(self, key: MasterKey) -> Signature:
        """Return the signature of what the peer signs with *key*, and keep it."""
        signature = self._signature(key, False, self.iss or 0)
        self._theirs[key.recv_id] = signature
        return signature

    def _signature(
        self, key: MasterKey, is_ours: bool, destination_isn: int, source_isn: int | None = None
    ) -> Signature:
        """Return who signs or checks under *key* what goes one way (RFC 5925 §5.2).

        *destination_isn* is 0 for a SYN.
        """
        source, destination = _addresses(key, self._path)
        ports = self._ports
        if source_isn is None:
            source_isn = (self.iss if is_ours else self.irs) or 0
        if not is_ours:
            source, destination = destination, source
            ports = swap_ports(ports)
        numbers = (ports << 64 | source_isn << 32 | destination_isn).to_bytes(12, "big")
        mac = key.traffic_mac(source + destination + numbers)
        return Signature(mac, source, destination, key.covers_options)


def _holds(lifetime: tuple[float, float], today: float) -> bool:
    """Return whether *lifetime* has begun, and has not ended."""
    begin, end = lifetime
    return begin <= today < end


def _addresses(key: MasterKey, path: Path) -> tuple[bytes, bytes]:
    """Return our address and the peer's, as the MAC covers them."""
    if key.addresses == "none":
        return NO_ADDRESS, NO_ADDRESS
    if isinstance(key.addresses, tuple):
        ours, theirs = key.addresses
    else:
        ours, theirs = path[1], str(path[0][0])
    try:
        return packed(ours), packed(theirs)
    except ValueError:
        raise OSError(
            errno.EADDRNOTAVAIL, f"a key covers real addresses, and ours is not known: {ours!r}"
        ) from None
