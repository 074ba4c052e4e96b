"""The asyncio skin: a socket, a clock and the interfaces that programs already know."""
