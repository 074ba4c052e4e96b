"""A TUN device is a network interface whose other end is a file descriptor.

What the kernel routes to the interface is read from the descriptor, one IP packet a time, and what
is written there arrives at the kernel as if from a wire.  The descriptor stays with the process
that opened it when the interface moves to another network namespace; so the kernel's TCP can be
locked in a namespace of its own while our UDP socket stays outside.
"""

import errno
import os
import socket
import struct
import sys
from typing import Final

from rudp.bridge.translate import UDP_HEADER_SIZE

if sys.platform == "linux":
    import fcntl

NAME_SIZE_MAX: Final = 15
"""Octets of an interface name (IFNAMSIZ less the final zero)."""

MTU_MIN: Final = 68
"""Octets.  Linux takes no smaller MTU for IPv4 (RFC 791)."""

MTU_MAX: Final = 65_535

_DEVICE: Final = "/dev/net/tun"
_TUNSETIFF: Final = 0x400454CA
_SIOCSIFMTU: Final = 0x8922
_IFF_TUN: Final = 0x0001
_IFF_NO_PI: Final = 0x1000  # packets come bare, without four octets of packet information


def open_tun(name: str, path_mtu: int = 1500) -> int:
    """Make the interface *name* and return its non-blocking descriptor; closing it removes both.

    *path_mtu* is what the path of the datagrams carries, in octets of IP packet.  The interface
    gets eight less (UDP-30), so that the MSS which the kernel announces leaves room for the UDP
    header.  It has no address yet and is down.

    Linux only, and it needs the capability CAP_NET_ADMIN: OSError where one or the other is
    missing or the name is taken, ValueError for a name or an MTU that no interface can have.
    """
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, "a TUN device of this kind is a thing of Linux")
    encoded = name.encode()
    if not 0 < len(encoded) <= NAME_SIZE_MAX:
        raise ValueError(f"an interface name has 1 to {NAME_SIZE_MAX} octets: {name!r}")
    mtu = path_mtu - UDP_HEADER_SIZE
    if not MTU_MIN <= mtu <= MTU_MAX:
        raise ValueError(f"the path MTU must lie between 76 and 65543, not {path_mtu}")
    tun = os.open(_DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", encoded, _IFF_TUN | _IFF_NO_PI))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, _SIOCSIFMTU, struct.pack("16si20x", encoded, mtu))
    except BaseException:
        os.close(tun)
        raise
    return tun
