"""What a connection dies of, as the exceptions that its user sees (RFC 9293 §3.9.1)."""

import errno
import os


def reset_by_peer() -> ConnectionResetError:
    """Return the error of a connection that the peer has reset."""
    return ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))


def open_refused() -> ConnectionRefusedError:
    """Return the error of an open that nobody listened to."""
    return ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))


def timed_out() -> TimeoutError:
    """Return the error of a connection that made no progress for too long."""
    return TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))


def aborted() -> ConnectionAbortedError:
    """Return the error of a connection that we gave up ourselves."""
    return ConnectionAbortedError(errno.ECONNABORTED, os.strerror(errno.ECONNABORTED))
