"""The tests of rudp; a test of a requirement carries its id (see docs/conformance.md)."""
