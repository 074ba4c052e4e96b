#!/usr/bin/env bash
# Linux: the first fast open of a socket that does not block sends nothing of what it was given.
#
# Seen with Linux 6.18, CPython 3.11.7.
#
# sendto() with MSG_FASTOPEN opens a connection and sends data with the SYN, if there is a cookie of
# the server's from an earlier visit. Without one a socket that blocks waits for the handshake, and
# sends its data then: the call returns how many octets that were. On a socket that does not block the
# same call asks for a cookie, returns EINPROGRESS, as connect() would, and forgets the data. Nobody
# is told: the connection opens, poll() says that it is writable, and the server waits. With a cookie
# the call takes all of it and returns the number. So a program for event loops that has been tried
# against a server it knows loses its first request to each new one, unless it sends again whatever
# it had passed along with EINPROGRESS.
#
# Both sockets are in a network namespace of their own, which knows no cookies. Needs root.
#
# Output:
#   does not block, no cookie: EINPROGRESS, and nothing arrives
#   does not block, a cookie:  5 octets taken, b'hello' arrives
#   blocks, no cookie:         5 octets taken, b'hello' arrives
set -euo pipefail

program=$(mktemp)
trap 'rm -f "$program"' EXIT
cat >"$program" <<'PYTHON'
import errno
import socket
import sys

blocks = sys.argv[1] == "blocks"
with open("/proc/sys/net/ipv4/tcp_fastopen", "w") as switch:
    switch.write("3")
listener = socket.socket()
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
listener.bind(("127.0.0.1", 0))
listener.listen()
listener.settimeout(5)


def visit():
    with socket.socket() as client:
        client.setblocking(blocks)
        try:
            taken = client.sendto(b"hello", socket.MSG_FASTOPEN, listener.getsockname())
        except BlockingIOError as error:
            taken = errno.errorcode[error.errno]
        accepted, _ = listener.accept()
        with accepted:
            accepted.settimeout(1)
            try:
                return taken, accepted.recv(10)
            except TimeoutError:
                return taken, None


first = visit()
if blocks:
    print("blocks, no cookie:         {} octets taken, {} arrives".format(*first))
    sys.exit(first != (5, b"hello"))
second = visit()
print("does not block, no cookie: {}, and {} arrives".format(first[0], first[1] or "nothing"))
print("does not block, a cookie:  {} octets taken, {} arrives".format(*second))
sys.exit([first, second] != [("EINPROGRESS", None), (5, b"hello")])
PYTHON

apart() {
    timeout 60 unshare --net bash -euo pipefail -c 'ip link set lo up; exec python3 "$@"' - "$program" "$1"
}

apart "does not block"
apart blocks
