"""The workloads by name, each a module with ``serve``, ``measure`` and ``MORE_IS_BETTER``."""

from types import ModuleType
from typing import Final

from bench import bulk, pingpong

WORKLOADS: Final[dict[str, ModuleType]] = {"bulk": bulk, "ping-pong": pingpong}
