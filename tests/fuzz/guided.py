"""Coverage-guided fuzzing with atheris: ``python -m tests.fuzz.guided [lanes] [options]``.

The options are libFuzzer's.

With ``lanes`` it plays programs for steady connections (:mod:`tests.fuzz.lanes`), and what they
reach in the lanes and in the RFC's code guides it; else programs for a table under attack.

Needs the extra ``fuzz``.  Without options it runs for a minute and writes nothing; for more::

    mkdir /tmp/found
    python -m tests.fuzz.guided -max_total_time=3600 /tmp/found tests/fuzz/corpus

New inputs go into the first directory.  An input that breaks the oracle is written to a file
``crash-...``, and ``python -m tests.fuzz.guided crash-...`` plays it again.  What is worth keeping
of it goes into ``tests/fuzz/corpus`` under a name that says what it does; ``test_corpus.py`` plays
all of that in the ordinary suite.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["rudp.core", "rudp.bridge"]):
    from tests.fuzz import lanes
    from tests.fuzz.world import try_program

CORPUS = Path(__file__).parent / "corpus"


def main() -> None:
    name, *arguments = sys.argv
    target: Callable[[bytes], object] = try_program
    corpus = [str(CORPUS)]
    if arguments[:1] == ["lanes"]:
        target, corpus = lanes.try_program, []
        del arguments[0]
    arguments = arguments or ["-max_total_time=60", *corpus]
    atheris.Setup([name, *arguments, "-max_len=512", "-timeout=30"], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
