"""Reliable byte streams for asyncio: TCP segments (RFC 9293), verbatim, inside UDP datagrams."""
