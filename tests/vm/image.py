"""What the virtual machine boots: a pinned kernel of Debian's, and an initramfs with our init.

Kernels come from the backports of Debian's current stable release, whatever release this machine
has: apt fetches them with a configuration of its own in a temporary directory, from the mirror
that this machine uses for Debian.  What is needed of the packages stays in ``rudp-vm`` under the
user's cache directory.
"""

import dataclasses
import hashlib
import lzma
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from tests.interop.kernel import ADDRESS

SUITE: Final = "trixie-backports"
KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
MODULES: Final = ("failover", "net_failover", "virtio_net", "cmac")
"""Modules that init loads, each behind those it needs."""

MTU: Final = 1492
"""Octets of IP packet that the guest sends: 1500 less a UDP header, as with a TUN device."""

NETMASK: Final = "255.254.0.0"
"""Both networks of tests.interop.kernel, its own and the virtual one, are on the guest's link."""

DEADLINE: Final = 420
"""Seconds after which a guest ends by itself, if nobody has ended it."""

PATIENCE: Final = 180.0
"""Seconds that apt and gcc get, each time."""

INIT: Final = Path(__file__).with_name("init.c")


class MissingError(Exception):
    """Why there can be no machine here."""


@dataclasses.dataclass(frozen=True)
class Pin:
    """A kernel: *release* as uname has it, *version* as apt has it, SHA-256 by package."""

    release: str
    version: str
    packages: dict[str, str]

    @property
    def number(self) -> str:
        """Its version as kernels count."""
        return self.release.partition("+")[0]


PINS: Final = {
    "7.3": Pin(
        "7.3.4+deb13-cloud-amd64",
        "7.3.4-1~bpo13+1",
        {
            "linux-binary": "c4fbc8e404958693b28825474c20742d70594d65ca58aea7be6a279c81eb6fa0",
            "linux-modules": "359f04c363b7d3c5f9ce999ccb7351e00cc8eec0a30d6bc1cda37734987fc43d",
        },
    ),
    "7.2": Pin(
        "7.2.11+deb13-cloud-amd64",
        "7.2.11-1~bpo13+1",
        {
            "linux-binary": "f9d27364c318c5208501577193d025475958fb86b6d4ddf96d10d41895d26f89",
            "linux-modules": "91da17dc995b0a801859cdfabd4db98ea4aa4011fd456914b2f152c04186100f",
        },
    ),
    "6.18": Pin(
        "6.18.15+deb13-cloud-amd64",
        "6.18.15-1~bpo13+1",
        {"linux-image": "5a507681ea8c978d02265a7fec2f02c9588fb48b54b7f71edc1059e86007f3ec"},
    ),
}
"""The first is the one to test with; the others are there to compare."""


@dataclasses.dataclass(frozen=True)
class Image:
    """Files to boot from, and what the kernel is told."""

    kernel: Path
    initramfs: Path
    parameters: str


def build(pin: Pin, directory: Path) -> Image:
    """Return an image made in *directory*; MissingError where that cannot be."""
    kernel = fetch(pin)
    files = {"init": (_compiled(directory), stat.S_IFREG | 0o755)}
    for number, name in enumerate(MODULES):
        files[str(number)] = (kernel / f"{name}.ko").read_bytes(), stat.S_IFREG | 0o644
    for name in ("dev", "proc"):
        files[name] = b"", stat.S_IFDIR | 0o755
    initramfs = directory / "initramfs"
    initramfs.write_bytes(archive(files))
    parameters = {
        "console": "ttyS0",
        "panic": "-1",
        "mitigations": "off",
        "address": ADDRESS,
        "netmask": NETMASK,
        "mtu": MTU,
        "deadline": DEADLINE,
    }
    text = " ".join(f"{name}={value}" for name, value in parameters.items())
    return Image(kernel / "vmlinuz", initramfs, f"{text} quiet")


def archive(files: dict[str, tuple[bytes, int]]) -> bytes:
    """Return a cpio archive as kernels read it ("newc"); *files* have contents and mode."""
    out = bytearray()
    for number, (name, (data, mode)) in enumerate([*files.items(), ("TRAILER!!!", (b"", 0))]):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields)
        out += name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return bytes(out)


def _compiled(directory: Path) -> bytes:
    program = directory / "init"
    flags = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static")
    run("gcc", *flags, "-o", str(program), str(INIT))
    return program.read_bytes()


def fetch(pin: Pin) -> Path:
    """Return the directory with ``vmlinuz`` and modules of *pin*, fetched if they are not there.

    MissingError where apt is missing, has no mirror, or the mirror has the packages no longer.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rudp-vm"
    kept = cache / pin.release
    if kept.is_dir():
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as name:
        directory = Path(name)
        unpacked = directory / "unpacked"
        unpacked.mkdir()
        for package in _downloaded(pin, directory):
            _unpack(package, unpacked)
        absent = {"vmlinuz", *(f"{name}.ko" for name in MODULES)} - set(os.listdir(unpacked))
        if absent:
            raise MissingError(f"the packages of {pin.release} lack {', '.join(sorted(absent))}")
        unpacked.replace(kept)
    return kept


def _downloaded(pin: Pin, directory: Path) -> list[Path]:
    """Let apt download the packages of *pin*, and return them when they are what was pinned."""
    mirror = _mirror()
    private = directory / "apt"
    for part in (
        "etc/apt/preferences.d",
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
    ):
        (private / part).mkdir(parents=True)
    (private / "etc/apt/sources.list").write_text(
        f"deb [arch=amd64 signed-by={KEYRING}] {mirror} {SUITE} main\n"
    )
    # Root's apt would download as a user who may not write here.
    settings = (f"Dir={private}", "APT::Sandbox::User=root", "APT::Update::Error-Mode=any")
    options = [word for setting in settings for word in ("-o", setting)]
    run("apt-get", *options, "-qq", "update")
    names = {f"{package}-{pin.release}": digest for package, digest in pin.packages.items()}
    packages = []
    for name, digest in names.items():
        try:
            run("apt-get", *options, "-qq", "download", f"{name}={pin.version}", cwd=directory)
        except MissingError as error:
            there = run("apt-cache", *options, "pkgnames", "linux-image-").split()
            releases = [one.split("-")[2] for one in there if one.endswith("+deb13-cloud-amd64")]
            versions = sorted([*map(int, one.partition("+")[0].split("."))] for one in releases)
            raise MissingError(
                f"{error}\n{SUITE} has no {name} {pin.version} (any more); pin a kernel in"
                f" {INIT.parent / 'image.py'} that it has:"
                f" {', '.join('.'.join(map(str, version)) for version in versions) or 'none'}"
            ) from None
        (package,) = directory.glob(f"{name}_*.deb")
        if hashlib.sha256(package.read_bytes()).hexdigest() != digest:
            raise MissingError(f"{package.name} is not the one that {__name__} has pinned")
        packages.append(package)
    return packages


def _mirror() -> str:
    """Return the address from which this machine's apt gets Debian."""
    form = "$(ORIGIN) $(LABEL) $(REPO_URI)"
    for line in run("apt-get", "indextargets", "--format", form).splitlines():
        if line.startswith("Debian Debian "):
            return line.split()[-1]
    raise MissingError("apt knows no mirror of Debian here (after apt-get update it may)")


def _unpack(package: Path, directory: Path) -> None:
    """Put the kernel and the modules that are wanted into *directory*, not compressed."""
    command = ("dpkg-deb", "--fsys-tarfile", str(package))
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with tarfile.open(fileobj=process.stdout, mode="r|") as files:
            for entry in files:
                name = Path(entry.name).name
                module, _, kind = name.partition(".")
                content = files.extractfile(entry) if entry.isfile() else None
                if content is None:
                    continue
                if name.startswith("vmlinuz"):
                    with (directory / "vmlinuz").open("wb") as out:
                        shutil.copyfileobj(content, out)
                elif module in MODULES and kind == "ko.xz":
                    (directory / f"{module}.ko").write_bytes(lzma.decompress(content.read()))
        process.stdout.read()  # the rest of the last block: a closed pipe would be an error
    if process.returncode:
        raise MissingError(f"{package.name} cannot be unpacked")


def run(*command: str, cwd: Path | None = None) -> str:
    """Return what *command* prints; MissingError if it fails or is not there."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE)
    except OSError as error:
        raise MissingError(f"needs {command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired as error:
        raise MissingError(str(error)) from None
    if done.returncode:
        raise MissingError(f"{command[0]}: {done.stderr.strip()}")
    return done.stdout
