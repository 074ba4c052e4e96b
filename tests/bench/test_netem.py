"""The path by tc netem: what is asked of it, and that it is made where the kernel can."""

import subprocess

import pytest

from bench import link, lossy, netem


def test_what_is_asked_of_netem() -> None:
    """A queue of one bandwidth-delay product lies behind those packets that are under way."""
    forward, backward = link.options(rtt=0.02, rate=12e6, queue="30p", loss=0.01)
    common = ["delay", "10000us", "rate", "12000000bit", "limit", "40"]
    assert netem.arguments(forward) == [*common, "loss", "1%"]
    assert netem.arguments(backward) == common
    assert netem.arguments({}) == ["delay", "0us"]


def test_losses_in_bursts() -> None:
    assert netem.arguments({"burst_enter": 0.01, "burst_exit": 0.25}) == [
        *("delay", "0us", "loss", "gemodel", "1%", "25%")
    ]


@pytest.mark.parametrize("name", ["reorder", "corrupt", "duplicate", "jitter"])
def test_what_netem_cannot_do(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        netem.arguments({name: 0.1})  # type: ignore[misc]


@pytest.mark.interop
def test_a_path_by_netem() -> None:
    reason = link.missing() or netem.missing()
    if reason is not None:
        pytest.skip(reason)
    with netem.NetemPath(*link.options(rtt=0.01, rate=10e6)) as path:
        ping = path.a.command("ping", "-c", "1", path.b.address)
        subprocess.run(ping, check=True, capture_output=True, timeout=20)
        assert path.counters()["forward"]["sent"] > 0


def test_a_kernel_without_netem_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    if link.missing() is not None or netem.missing() is None:
        pytest.skip("it has netem, or no namespaces")
    with pytest.raises(SystemExit):
        lossy.main(["--real", "--netem", "--cells", "20:10:0"])
    assert "netem" in capsys.readouterr().err
