"""A newer kernel's TCP as peer, in a virtual machine: ``python -m tests.vm``.

Boots a pinned kernel of Debian's in an emulator, without KVM, and runs the scenarios in this
directory against it, in some two minutes and five at most.  Where something is missing for that
it says what, and that nothing was run.  Nothing of the system is changed, but that root gets the
emulator from apt where it is missing.  What is not for it goes to pytest: ``-k``, ``-x``, a file.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.vm import image
from tests.vm.machine import EMULATOR

HERE: Final = Path(__file__).parent
SCENARIOS: Final = ("interop.py", "ecn.py", "path.py", "ao.py", "keys.py", "survey.py")
LIMIT: Final = 300.0
"""Seconds that the scenarios get together."""

GRACE: Final = 30.0
"""Seconds to end in order."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit status: 0 also where nothing can be run."""
    parser = argparse.ArgumentParser(prog="python -m tests.vm", description=__doc__)
    parser.add_argument("--kernel", choices=image.PINS, default=next(iter(image.PINS)))
    parser.add_argument("--update", action="store_true", help="write down what is seen now")
    options, others = parser.parse_known_args(arguments)
    pin = image.PINS[options.kernel]
    try:
        if shutil.which(EMULATOR) is None and os.geteuid() == 0:
            image.run("apt-get", "install", "-qq", "--no-install-recommends", "qemu-system-x86")
        image.fetch(pin)
    except image.MissingError as error:
        print(f"skipped, nothing was run: {error}")
        return 0
    if not any(other.partition("::")[0].endswith(".py") for other in others):
        others += [str(HERE / name) for name in SCENARIOS]
    chosen = [f"--kernel={options.kernel}", *["--update"] * options.update]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with subprocess.Popen([sys.executable, "-m", "pytest", "-n0", *chosen, *others]) as process:
        try:
            return process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            print(f"not done after {LIMIT:.0f} s", file=sys.stderr)
        except KeyboardInterrupt:
            pass
        process.terminate()  # tests/conftest.py ends it in order, and with it the machine
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
    return 1


if __name__ == "__main__":
    sys.exit(main())
