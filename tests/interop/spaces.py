"""Network namespaces joined by pairs of virtual devices."""

import contextlib
from collections.abc import Iterable, Iterator

from tests.interop.kernel import ip

Link = tuple[str, str, str, str]
"""A namespace and its device, and those at the other end."""


class Spaces:
    """Namespaces whose names begin with *prefix*."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    @contextlib.contextmanager
    def made(self, names: Iterable[str], links: Iterable[Link]) -> Iterator[None]:
        """Make the namespaces *names*, joined by *links*, and take them away at the end."""
        with contextlib.ExitStack() as stack:
            for name in names:
                ip("netns", "add", self.prefix + name)
                stack.callback(ip, "netns", "delete", self.prefix + name)
            for first, device, second, other in links:
                self.inside(first, "link", "add", device, "type", "veth",
                            "peer", "name", other, "netns", self.prefix + second)  # fmt: skip
            yield

    def inside(self, name: str, *arguments: str) -> None:
        """Run ``ip`` with *arguments* in the namespace *name*."""
        ip("-n", self.prefix + name, *arguments)
