"""A word to mypyc, which compiles the core: from these classes programs derive in Python.

mypyc knows the decorator by its full name, and what it says is in the C code it writes.  When the
program runs it means nothing, so the package that has it is not needed then.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

__all__ = ["mypyc_attr"]

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr
else:

    def mypyc_attr(**_: Any) -> Callable[[type], type]:
        """Return what leaves a class as it is."""
        return lambda cls: cls
