"""rudp with all compiled that can be, in a folder of its own: ``python -m bench.compiled``.

The package is built as a wheel, as it is for a release.  It is unpacked beside a link to the bench,
so that a process that starts in that folder measures the compiled one.  Needs a C compiler, and a
minute or more.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = ROOT / "build" / "compiled"


def build(folder: Path = FOLDER) -> None:
    """Build the compiled package into *folder*, in place of what is there.

    Raises :class:`subprocess.CalledProcessError` when it cannot be built.
    """
    with tempfile.TemporaryDirectory() as temporary:
        subprocess.run(
            [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "-w", temporary],
            check=True,
            env=os.environ | {"RUDP_COMPILE": "1"},
        )
        (wheel,) = Path(temporary).glob("*.whl")
        shutil.rmtree(folder, ignore_errors=True)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    (folder / "bench").symlink_to(ROOT / "bench")


def built(folder: Path = FOLDER) -> bool:
    """Return whether *folder* has what this version of Python can load.

    Another version would pass over it and run the sources, which are beside it.
    """
    return any(folder.glob(f"*{sysconfig.get_config_var('EXT_SUFFIX')}"))


if __name__ == "__main__":
    build()
