"""Coverage-guided fuzzing with atheris: ``python -m tests.fuzz.guided [libFuzzer's options]``.

Needs the extra ``fuzz``.  Without options it runs for a minute and writes nothing; for more::

    mkdir /tmp/found
    python -m tests.fuzz.guided -max_total_time=3600 /tmp/found tests/fuzz/corpus

New inputs go into the first directory.  An input that breaks the oracle is written to a file
``crash-...``, and ``python -m tests.fuzz.guided crash-...`` plays it again.  What is worth keeping
of it goes into ``tests/fuzz/corpus`` under a name that says what it does; ``test_corpus.py`` plays
all of that in the ordinary suite.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["rudp.core", "rudp.bridge"]):
    from tests.fuzz.world import try_program

CORPUS = Path(__file__).parent / "corpus"


def main() -> None:
    arguments = sys.argv if sys.argv[1:] else [sys.argv[0], "-max_total_time=60", str(CORPUS)]
    atheris.Setup([*arguments, "-max_len=512", "-timeout=10"], try_program)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
