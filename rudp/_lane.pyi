"""The lane in C: what :class:`rudp.core.life.lane.Lane` does, with the same numbers.

There where it was compiled, and ``RUDP_PURE`` does not say otherwise (:mod:`rudp.build`).
"""

from typing import Any

class Lane:
    """Has all attributes and methods of :class:`rudp.core.life.lane.Lane`.

    The octets of ``buffer`` are its own from when that is set until ``finish()``.
    """

    def __init__(self) -> None: ...
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...
