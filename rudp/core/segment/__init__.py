"""What a datagram holds: numbers, header, options."""
