"""The queue of a link in the words of a command line: ``droptail``, ``codel``, ``dualpi2``."""

import dataclasses
from typing import Any, Final

from rudp.sim import CoDel, DualPi2

MANAGED: Final[dict[str, type[CoDel] | type[DualPi2]]] = {"codel": CoDel, "dualpi2": DualPi2}


def queue(text: str, limit: int) -> int | CoDel | DualPi2:
    """Return what ``Link(queue=...)`` takes for *text*, with room for *limit* octets at least.

    ``droptail``, or the name of a managed queue and settings of its class, as in
    ``dualpi2:threshold=0.0005,ramp=0``.  Raises :class:`ValueError` for what is none of these.
    """
    name, _, rest = text.partition(":")
    if name == "droptail" and not rest:
        return limit
    if name not in MANAGED:
        raise ValueError(f"{text!r} is not droptail, {' or '.join(MANAGED)}")
    kind = MANAGED[name]
    types = {field.name: field.type for field in dataclasses.fields(kind)}
    settings: dict[str, Any] = {"limit": max(limit, 1 << 20)}
    for setting in filter(None, rest.split(",")):
        key, _, value = setting.partition("=")
        if key not in types:
            raise ValueError(f"{name} has no setting {key!r}; there are {', '.join(types)}")
        try:
            settings[key] = _read(value, types[key])
        except (KeyError, ValueError):
            raise ValueError(f"{key} of {name} cannot be {value!r}") from None
    return kind(**settings)


def _read(value: str, kind: Any) -> Any:
    if kind is float:
        return float(value)
    if kind is int:
        return int(value)
    if kind is bool:
        return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[
            value.lower()
        ]
    return value
