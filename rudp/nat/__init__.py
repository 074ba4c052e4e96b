"""Connections through NATs: what others see as our address, and how two peers open at once."""
