"""What loopback carries is asked of the system, not guessed."""

import subprocess
import sys

import pytest

from rudp.udp.linkmtu import MTU_MAX, PAYLOAD_MIN, loopback_payload

SCRIPT = """
ip link set lo mtu {mtu} up || exit 77
exec {python} -c 'from rudp.udp.linkmtu import loopback_payload as f; print(f())'
"""


def test_a_payload_or_nothing() -> None:
    """PMTU-1"""
    payload = loopback_payload()
    assert payload is None or PAYLOAD_MIN <= payload <= MTU_MAX - 48


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
@pytest.mark.parametrize(("mtu", "payload"), [(65_536, 65_488), (16_384, 16_336), (1280, 1232)])
def test_the_mtu_of_the_interface_decides(mtu: int, payload: int) -> None:
    """PMTU-13: with more, no full segment would ever leave this host."""
    script = SCRIPT.format(mtu=mtu, python=sys.executable)
    try:
        done = subprocess.run(
            ["unshare", "-n", "-r", "sh", "-c", script], capture_output=True, text=True, timeout=20
        )
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no network namespace: {done.stderr.strip()}")
    assert done.stdout.strip() == str(payload), done.stderr
