"""Fixtures of the tests of the command line."""

from tests.cli.kit import identities, rudp

__all__ = ["identities", "rudp"]
