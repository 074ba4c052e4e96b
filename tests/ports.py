"""A port for a program that is told its number, before it binds it."""

import random
import socket


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """Return a port of 127.0.0.1 that is free, and that the system gives to nobody by itself.

    One from the range of such would be taken now and then by a test that runs beside this one.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket(socket.AF_INET, kind) as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
