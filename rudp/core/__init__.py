"""TCP itself, without socket, clock or loop: segments and time in, segments and octets out."""
