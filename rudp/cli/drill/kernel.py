"""Linux's own TCP, drilled: in real time, in a network namespace that nobody else sees.

A thread leaves the namespace of the process for a new one.  What it opens there, a TUN device and
TCP sockets, can be used from everywhere, and takes the namespace with it when it is closed.  What
the peer of a drill sends goes through the pure half of the bridge (:mod:`rudp.bridge.translate`)
into the device, and what comes out of the device goes back the same way: octet for octet the
segments that the kernel would exchange with rudp over UDP.  Linux and root.
"""

import concurrent.futures
import contextlib
import ctypes
import errno
import os
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final, TypeVar

from rudp.bridge import AddressPlan, Datagram, Drop, Translator, open_tun
from rudp.sim.drill import Came, Flow, NotHereError, Side
from rudp.sim.drill.side import Path
from rudp.sim.drill.wire import MASK, OUR_PORT

if sys.platform == "linux":
    import fcntl

TOLERANCE: Final = 0.03
"""Seconds by which a segment may be late, on a machine that has something else to do too."""

SLACK: Final = 0.13
"""The wheel of the kernel's timers is so coarse that one may expire an eighth later."""

PATIENCE: Final = 0.2
"""Seconds after which somebody who waits looks whether all are to stop."""

DEVICE: Final = "drill0"
PLAN: Final = AddressPlan(IPv4Address("10.76.0.1"), IPv4Network("10.77.0.0/16"))
NETMASK: Final = "255.254.0.0"
"""Which makes both of the plan's networks one link."""

_CLONE_NEWNET: Final = 0x4000_0000
_SIOCSIFADDR: Final = 0x8916
_SIOCSIFNETMASK: Final = 0x891C
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP_RUNNING: Final = 0x41
_SIOCOUTQNSD: Final = 0x894B
_TTL: Final = 64
_RECEIVE_SIZE: Final = 1 << 16

_STATES: Final = {
    1: "ESTABLISHED",
    2: "SYN-SENT",
    3: "SYN-RECEIVED",
    4: "FIN-WAIT-1",
    5: "FIN-WAIT-2",
    6: "TIME-WAIT",
    7: "CLOSED",
    8: "CLOSE-WAIT",
    9: "LAST-ACK",
    10: "LISTEN",
    11: "CLOSING",
    12: "SYN-RECEIVED",
}
"""States by their numbers in /proc/net/tcp."""

_ICMP: Final = {"ENETUNREACH": 0, "EHOSTUNREACH": 1, "ENOPROTOOPT": 2, "ECONNREFUSED": 3}
"""Codes of "destination unreachable" (RFC 792), by the error that a socket gets."""

_SYSCTLS: Final[dict[str, tuple[str, dict[Any, Any]]]] = {
    "sack": ("tcp_sack", {True: 1, False: 0}),
    "dsack": ("tcp_dsack", {True: 1, False: 0}),
    "timestamps": ("tcp_timestamps", {True: 1, False: 0}),
    "window_scaling": ("tcp_window_scaling", {True: 1, False: 0}),
    "ecn": ("tcp_ecn", {"off": 0, "on": 1, "accept": 2}),
    "congestion": ("tcp_congestion_control", {"newreno": "reno", "cubic": "cubic"}),
    "loss_detection": ("tcp_recovery", {"rack": 1, "rfc6675": 0}),
    "tail_loss_probe": ("tcp_early_retrans", {True: 3, False: 0}),
    "slow_start_after_idle": ("tcp_slow_start_after_idle", {True: 1, False: 0}),
    "syn_cookies": ("tcp_syncookies", {True: 1, False: 0}),
}
"""Settings of rudp that are switches of a network namespace: their names and values there."""

_SYN_SENT: Final = 2

T = TypeVar("T")


def missing() -> str | None:
    """Return why the kernel cannot be drilled here, None if it can."""
    if sys.platform != "linux":
        return "it needs Linux"
    if os.geteuid() != 0:
        return "it needs root, for a network namespace and a TUN device"
    if not os.path.exists("/dev/net/tun"):
        return "there is no /dev/net/tun"
    return None


class Kernel(Side):
    """The TCP of a network namespace with *settings*, made for one drill; close it afterwards.

    *tolerance*: seconds by which a segment may be early or late.  *stop*: once it is set
    nobody waits for anything.  Raises :class:`OSError`, and :class:`NotHereError` for a setting
    that the kernel does not have.
    """

    name = "kernel"
    slack = SLACK
    heedless = "P"  # it pushes where it thinks that waiting is of no use

    def __init__(
        self,
        settings: dict[str, Any],
        *,
        tolerance: float = TOLERANCE,
        stop: threading.Event | None = None,
    ) -> None:
        super().__init__()
        self._stop = stop or threading.Event()
        self.tolerance = self.blur = tolerance
        self.packets: list[tuple[float, bool, bytes]] = []
        """What passed the device: when, whether to the kernel, and the IP packet."""
        self._translator = Translator(PLAN)
        self._sockets: dict[Flow, socket.socket] = {}
        self._paths: dict[int, Path] = {}  # by UDP port
        self._listener: socket.socket | None = None
        self._nodelay = settings.pop("nodelay", True)
        self._inside = concurrent.futures.ThreadPoolExecutor(max_workers=1)
        try:
            self._tun = self._there(_new_world)
        except BaseException:
            self._inside.shutdown()
            raise
        self._start = time.monotonic()
        try:
            for name, value in ({"congestion": "newreno"} | settings).items():
                self._there(_set, name, value)
            self._start = time.monotonic()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Take the namespace away."""
        for sock in [*self._sockets.values(), self._listener]:
            if sock is not None:
                sock.close()
        os.close(self._tun)
        self._inside.shutdown()

    def __enter__(self) -> "Kernel":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _there(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return what *function* does inside the namespace."""
        return self._inside.submit(function, *arguments).result()

    # -- segments and time -----------------------------------------------------------------------

    @property
    def time(self) -> float:
        return time.monotonic() - self._start

    def new_flow(self, path: Path, port: int) -> Flow:
        if self._paths.setdefault(path[0][1], path) != path:
            raise NotHereError("of two hosts with one UDP port the kernel sees only one")
        return Flow(path, port, 500_000, 1_000_000)

    def collect(self) -> None:
        while True:
            try:
                packet = os.read(self._tun, _RECEIVE_SIZE)
            except BlockingIOError:
                return
            datagram = self._translator.to_datagram(packet)
            if not isinstance(datagram, Drop):  # else it is none of TCP: IPv6 looks for routers
                path = self._paths.get(datagram.port, (("?", datagram.port), ""))
                self.packets.append((self.time, False, packet))
                self.came.append(Came(self.time, path, datagram.segment, datagram.tos & 3))

    def advance(self, when: float, *, stay: bool) -> None:
        while True:
            self.collect()
            left = when - self.time
            if self.came or left <= 0:
                return
            if self._stop.is_set():
                raise NotHereError("interrupted")
            select.select([self._tun], [], [], min(left, PATIENCE))

    def deliver(self, flow: Flow, datagrams: list[bytes], ecn: int) -> None:
        for sock in self._sockets.values():
            if sock.fileno() >= 0 and _state(sock) != _SYN_SENT:
                # Else it acknowledges at once when it takes the peer to be in slow start.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        for segment in datagrams:
            datagram = Datagram(segment, flow.path[0][1], ecn, _TTL)
            packet = self._translator.to_packet(datagram)
            if isinstance(packet, Drop):
                raise NotHereError(f"no such segment gets to the kernel: {packet.value}")
            self.packets.append((self.time, True, packet))
            os.write(self._tun, packet)
        self.collect()

    def rest(self) -> None:
        self.advance(self.time + self.tolerance / 3, stay=True)

    def anew(self, flow: Flow) -> None:
        sock = self._sockets.pop(flow, None)
        if sock is not None:
            sock.close()

    # -- calls -----------------------------------------------------------------------------------

    def send(self, flow: Flow, data: bytes, *, urgent: bool) -> None:
        sent = self._socket(flow).send(data, socket.MSG_OOB if urgent else 0)
        if sent < len(data):
            raise NotHereError(f"the kernel took {sent} octets of {len(data)} at once")

    def read(self, flow: Flow) -> bytes:
        sock = self._socket(flow)
        parts = []
        with contextlib.suppress(BlockingIOError):
            while part := sock.recv(_RECEIVE_SIZE):
                parts.append(part)
        return b"".join(parts)

    def call(self, flow: Flow, verb: str, words: tuple[str, ...]) -> None:
        match verb, words:
            case "connect", (_,):
                raise NotHereError("connect() takes no data; sendto() does, with a cookie alone")
            case "connect", _:
                self.anew(flow)
                sock = self._sockets[flow] = self._there(self._new_socket)
                sock.bind((str(PLAN.kernel), OUR_PORT))
                failed = sock.connect_ex((self._address(flow), flow.port))
                if failed not in (0, errno.EINPROGRESS):
                    raise OSError(failed, os.strerror(failed))
            case "listen", _:
                self._listen()
            case "unlisten", _:
                if self._listener is None:
                    raise NotHereError("nobody listens")
                self._listener.close()
                self._listener = None
            case "accept", _:
                self._accept(flow)
            case "icmp", (name, *seq):
                self._report(flow, name, seq[0] if seq else "short")
            case ("shutdown", _):
                self._socket(flow).shutdown(socket.SHUT_WR)
            case ("close", _):
                self._socket(flow).close()
            case ("abort", _):
                linger = struct.pack("=ii", 1, 0)
                self._socket(flow).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._socket(flow).close()
            case _:
                self._set_option(self._socket(flow), verb, words)
        self.collect()

    def _new_socket(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(self._nodelay))
        return sock

    def _listen(self) -> None:
        sock = self._there(self._new_socket)
        try:
            sock.bind((str(PLAN.kernel), OUR_PORT))
            sock.listen()
        except OSError:
            sock.close()
            raise
        self._listener = sock

    def _accept(self, flow: Flow) -> None:
        if self._listener is None:
            raise NotHereError("nobody listens")
        try:
            sock, _ = self._listener.accept()
        except BlockingIOError:
            raise NotHereError("nobody to accept") from None
        sock.setblocking(False)
        self.anew(flow)
        self._sockets[flow] = sock

    def _report(self, flow: Flow, name: str, seq: str) -> None:
        """A router answers a segment with an ICMP error."""
        if name not in _ICMP or seq == "short":
            raise NotHereError("the kernel hears of no such ICMP error")
        number = (flow.iss + int(seq)) & MASK
        quote = struct.pack("!HHI", OUR_PORT, flow.port, number)
        datagram = Datagram(quote, flow.path[0][1], 0, _TTL)
        packet = self._translator.to_icmp(3, _ICMP[name], 0, datagram)
        assert not isinstance(packet, Drop)
        os.write(self._tun, packet)

    def _set_option(self, sock: socket.socket, verb: str, words: tuple[str, ...]) -> None:
        tcp = socket.IPPROTO_TCP
        match verb, words:
            case "nodelay", (value,):
                sock.setsockopt(tcp, socket.TCP_NODELAY, int(value == "on"))
            case "receive_buffer", (octets,):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, int(octets))
            case "user_timeout", (value,):
                milliseconds = 0 if value == "none" else int(float(value) * 1000)
                sock.setsockopt(tcp, socket.TCP_USER_TIMEOUT, milliseconds)
            case "keepalive", (idle, interval, count):
                sock.setsockopt(tcp, socket.TCP_KEEPIDLE, max(1, int(float(idle))))
                sock.setsockopt(tcp, socket.TCP_KEEPINTVL, max(1, int(float(interval))))
                sock.setsockopt(tcp, socket.TCP_KEEPCNT, int(count))
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    # -- what must hold --------------------------------------------------------------------------

    def look(self, flow: Flow, verb: str, words: tuple[str, ...]) -> str:
        match verb:
            case "state":
                return self._state(flow)
            case "records":
                return str(self._there(_table).count("TIME-WAIT"))
            case "connections":
                states = self._there(_table)
                return str(sum(one not in ("LISTEN", "TIME-WAIT") for one in states))
            case "error":
                failed = self._socket(flow).getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                return type(OSError(failed, "")).__name__ if failed else "none"
            case "unsent":
                octets = fcntl.ioctl(self._socket(flow), _SIOCOUTQNSD, bytes(4))
                return str(int.from_bytes(octets, sys.byteorder))
            case "info":
                return self._info(flow, words[0])
        raise NotHereError(f"the kernel does not tell {verb}")

    def _state(self, flow: Flow) -> str:
        """Return the state, also of what no socket belongs to any more."""
        local = _in_proc(str(PLAN.kernel), OUR_PORT)
        remote = _in_proc(self._address(flow), flow.port)
        return self._there(_table, local, remote).pop(0)

    def _info(self, flow: Flow, field: str) -> str:
        info = self._socket(flow).getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        options, scales = info[5], info[6]
        (rto,) = struct.unpack_from("=I", info, 8)
        (mss,) = struct.unpack_from("=I", info, 16)
        rtt, rttvar, ssthresh, cwnd = struct.unpack_from("=4I", info, 68)
        match field:
            case "mss":
                return str(mss)
            case "cwnd":
                return str(cwnd * mss)
            case "ssthresh":
                return str(ssthresh * mss)
            case "srtt" | "rttvar" | "rto":
                return str(round({"srtt": rtt, "rttvar": rttvar, "rto": rto}[field] / 1e6, 4))
            case "timestamps" | "sack" | "window_scaling" | "ecn":
                bit = ("timestamps", "sack", "window_scaling", "ecn").index(field)
                return str(bool(options >> bit & 1))
            case "snd_shift":
                return str(scales & 0xF)
            case "rcv_shift":
                return str(scales >> 4)
        raise NotHereError(f"the kernel does not tell {field}")

    # -- inside ----------------------------------------------------------------------------------

    def _socket(self, flow: Flow) -> socket.socket:
        sock = self._sockets.get(flow)
        if sock is None:
            raise NotHereError("there is no socket")
        if sock.fileno() < 0:
            raise NotHereError("the socket is closed")
        return sock

    @staticmethod
    def _address(flow: Flow) -> str:
        return str(PLAN.address_of(flow.path[0][1]))


def _state(sock: socket.socket) -> int:
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def _new_world() -> int:
    """Go to a new namespace, with a device that is up; return its descriptor."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        failed = ctypes.get_errno()
        raise OSError(failed, f"cannot make a network namespace: {os.strerror(failed)}")
    tun = open_tun(DEVICE)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for call, address in ((_SIOCSIFADDR, str(PLAN.kernel)), (_SIOCSIFNETMASK, NETMASK)):
                packed = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
                fcntl.ioctl(control, call, struct.pack("16s16s8x", DEVICE.encode(), packed))
            flags = struct.pack("=16sH22x", DEVICE.encode(), _IFF_UP_RUNNING)
            fcntl.ioctl(control, _SIOCSIFFLAGS, flags)
    except BaseException:
        os.close(tun)
        raise
    return tun


def _set(name: str, value: Any) -> None:
    """Set what rudp calls *name*."""
    if name not in _SYSCTLS or value not in _SYSCTLS[name][1]:
        raise NotHereError(f"the kernel has no setting {name} {value}")
    switch, values = _SYSCTLS[name]
    with open(f"/proc/sys/net/ipv4/{switch}", "w", encoding="ascii") as file:
        file.write(str(values[value]))


def _table(local: str = "", remote: str = "") -> list[str]:
    """Return the states of all connections, or of that between two ends; CLOSED for none."""
    found = []
    with open("/proc/thread-self/net/tcp", encoding="ascii") as file:
        next(file)
        for line in file:
            _, ours, theirs, state, *_ = line.split()
            if not local or (ours, theirs) == (local, remote):
                found.append(_STATES.get(int(state, 16), "?"))
    return found or (["CLOSED"] if local else [])


def _in_proc(address: str, port: int) -> str:
    """Return an end as /proc/net/tcp spells it."""
    (number,) = struct.unpack("=I", socket.inet_aton(address))
    return f"{number:08X}:{port:04X}"
