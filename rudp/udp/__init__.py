"""Datagrams to and from a socket: one room for any platform, one for what Linux can do."""
