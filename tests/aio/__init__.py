"""The asyncio skin against asyncio's contract, on real loops and on virtual time."""
