"""A header as the lab ``wire`` reads and writes it."""

from typing import NamedTuple


class Header(NamedTuple):
    """The fields of RFC 9293 §3.1; ``flags``: the control bits, FIN is 1; ``options``: octets."""

    source: int
    destination: int
    seq: int
    ack: int
    flags: int
    window: int
    urgent: int = 0
    options: bytes = b""
