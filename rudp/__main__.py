"""``python -m rudp`` is the command ``rudp``."""

import sys

from rudp.cli import main

if __name__ == "__main__":
    sys.exit(main())
