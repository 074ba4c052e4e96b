"""Two hosts, each behind a router with the kernel's own NAT, and a server between the routers.

::

    a 10.0.0.2 - g 203.0.113.1 - i 203.0.113.254, 198.51.100.254 - h 198.51.100.1 - b 10.0.1.2

Each is a network namespace; what is made here is removed at the end.
"""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

from tests.interop.kernel import ip

PROGRAM: Final = pathlib.Path(__file__).with_name("punching.py")

SERVER: Final = "203.0.113.254"
"""The address at which both reach what runs between the routers."""

SIDES: Final = {
    "a": ("g", "10.0.0", "203.0.113"),
    "b": ("h", "10.0.1", "198.51.100"),
}
"""By host: its router, the network between them, and the one outside."""

FULL_CONE: Final = "full cone"

_RULES: Final = """
table ip nat {{
  chain before {{ type nat hook prerouting priority -100; {dnat}; }}
  chain after {{ type nat hook postrouting priority 100; oifname {wan} {masquerade}; }}
}}
table ip filter {{
  chain forward {{
    type filter hook forward priority 0; policy accept;
    iifname {wan} ct state established,related accept
    iifname {wan} ct status dnat accept
    iifname {wan} ct state new,invalid drop
  }}
  chain input {{
    type filter hook input priority 0; policy {policy};
    iifname != {wan} accept
    ct state established,related accept
    {last}
  }}
}}
"""


def missing() -> str | None:
    """Return why there can be no NAT here, or None."""
    if sys.platform != "linux":
        return "needs Linux"
    if os.geteuid() != 0:
        return "needs root, for network namespaces"
    for program in ("ip", "nft"):
        if shutil.which(program) is None:
            return f"needs {program}"
    try:
        with Lab() as lab:
            lab.nat("a", "masquerade")
    except subprocess.CalledProcessError as error:
        return f"cannot make a NAT: {(error.stderr or '').strip()}"
    return None


class Lab:
    """The namespaces; a context manager."""

    def __init__(self) -> None:
        self._made = contextlib.ExitStack()
        self._prefix = f"rudpnat{os.getpid()}"

    def __enter__(self) -> "Lab":
        with contextlib.ExitStack() as stack:
            for name in "aghbi":
                ip("netns", "add", self._name(name))
                stack.callback(ip, "netns", "delete", self._name(name))
                self.run(name, "ip", "link", "set", "lo", "up")
            for host, (router, inside, outside) in SIDES.items():
                self._join(host, f"{inside}.2/24", router, f"{inside}.1/24")
                self._join(router, f"{outside}.1/24", "i", f"{outside}.254/24")
                self._default(host, f"{inside}.1")
                self._default(router, f"{outside}.254")
            for name in "ghi":
                self.run(
                    name, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0"
                )
            self._made = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._made.close()

    def nat(
        self,
        host: str,
        masquerade: str,
        strays: str = "drop",
        *,
        timeouts: tuple[int, int] = (30, 120),
    ) -> None:
        """Let the router of *host* translate.

        *masquerade*: an nft statement, or :data:`FULL_CONE`, which lets everybody in at port 5000.
        *strays*: what the router itself does with what it has not asked for, ``"drop"``,
        ``"accept"`` or ``"reject"``.  *timeouts*: seconds of its memory, before and as a stream.
        """
        router, inside, _ = SIDES[host]
        dnat = ""
        if masquerade == FULL_CONE:
            masquerade = "masquerade"
            dnat = f"iifname {router}i udp dport 5000 dnat to {inside}.2"
        rules = _RULES.format(
            wan=f"{router}i",
            masquerade=masquerade,
            dnat=dnat,
            policy="drop" if strays == "drop" else "accept",
            last="reject" if strays == "reject" else "",
        )
        subprocess.run(
            ["ip", "netns", "exec", self._name(router), "nft", "-f", "-"],
            input=rules, text=True, check=True, capture_output=True,
        )  # fmt: skip
        first, stream = timeouts
        for name, seconds in (("udp_timeout", first), ("udp_timeout_stream", stream)):
            self.run(router, "sysctl", "-qw", f"net.netfilter.nf_conntrack_{name}={seconds}")

    def run(self, name: str, *command: str) -> str:
        """Run a command in namespace *name*; return what it says."""
        whole = ["ip", "netns", "exec", self._name(name), *command]
        return subprocess.run(whole, check=True, capture_output=True, text=True).stdout

    @contextlib.contextmanager
    def program(self, namespace: str, **options: Any) -> Iterator["Program"]:
        """Run ``punching.py`` in *namespace*, with *options*."""
        program = Program(
            ["ip", "netns", "exec", self._name(namespace), sys.executable, str(PROGRAM)]
        )
        try:
            program.say(options)
            yield program
        finally:
            program.end()

    # -- inside ----------------------------------------------------------------------------------

    def _name(self, name: str) -> str:
        return f"{self._prefix}{name}"

    def _join(self, first: str, here: str, second: str, there: str) -> None:
        ip(
            "link", "add", f"{first}{second}", "netns", self._name(first), "type", "veth",
            "peer", "name", f"{second}{first}", "netns", self._name(second),
        )  # fmt: skip
        for name, other, address in ((first, second, here), (second, first, there)):
            self.run(name, "ip", "address", "add", address, "dev", f"{name}{other}")
            self.run(name, "ip", "link", "set", f"{name}{other}", "up")

    def _default(self, name: str, gateway: str) -> None:
        self.run(name, "ip", "route", "add", "default", "via", gateway)


class Program:
    """A program that is told what to do, and tells what came of it, in lines of JSON."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def say(self, what: Any) -> None:
        """Tell it something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        """Return what it tells next."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, errors = self._process.communicate(timeout=10.0)
            raise AssertionError(f"the program ended: {errors[-2000:]}")
        return json.loads(line)

    def end(self) -> None:
        """End it."""
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process.kill()
        self._process.wait()
