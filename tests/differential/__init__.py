"""The same random programs over asyncio's TCP and over rudp: octets, ends and errors compared.

:mod:`~tests.differential.script` makes programs from numbers, :mod:`~tests.differential.play` runs
one over a network and writes down what both ends saw, :mod:`~tests.differential.compare` says what
differs, and ``python -m tests.differential`` tries thousands and shortens what it finds.  What may
differ, and why, is in ``docs/differences.md``.
"""
