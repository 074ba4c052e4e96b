"""How much may be in flight: octets and times in, a window out, and nothing else known."""
