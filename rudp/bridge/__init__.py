"""The Linux kernel's own TCP as a peer of rudp (UDP-30).

A TUN device on one side, a UDP socket on the other; see :mod:`rudp.bridge.translate` for what
passes between.  Linux only, with CAP_NET_ADMIN.  ``python -m rudp.bridge --help`` shows how to
set one up.
"""

from rudp.bridge.bridge import Bridge
from rudp.bridge.translate import AddressPlan, Datagram, Drop, Translator
from rudp.bridge.tun import open_tun

__all__ = ["AddressPlan", "Bridge", "Datagram", "Drop", "Translator", "open_tun"]
