"""A TCP socket of the kernel, worked by commands on standard input.

Runs as a program inside a network namespace and imports nothing of this project.  Each line in is
a command, each line out its result as JSON: an object, or ``{"error": errno}``.

    listen [fast]           bind and listen on any port             -> port
    accept                  wait for a connection                   -> host, port of the peer
    connect HOST PORT       active open                             -> host, port of ours
    begin HOST PORT OCTETS SEED   connect, with octets in the SYN if a cookie lets us -> sha256
    send OCTETS SEED        send pseudo-random octets               -> sha256
    receive [OCTETS]        read so many, or up to the end          -> octets, sha256
    exchange OCTETS SEED    send, shut down and receive, at once    -> octets, sha256 received
    echo                    give back all up to the end             -> octets
    shutdown                send FIN, go on receiving
    info                    what was negotiated (TCP_INFO)
    close, abort            with FIN; with RST
"""

import hashlib
import json
import random
import socket
import struct
import sys
import threading
from collections.abc import Callable
from typing import Any

TIMEOUT = 60.0
CHUNK = 1 << 16

Result = dict[str, Any]


class Peer:
    def __init__(self) -> None:
        self.sock = self.listener = self.make()

    def make(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.settimeout(TIMEOUT)
        return sock

    def listen(self, fast: str = "") -> Result:
        if fast:
            with open("/proc/sys/net/ipv4/tcp_fastopen", "w", encoding="ascii") as switch:
                switch.write("3")
            self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
        self.listener.bind(("", 0))
        self.listener.listen()
        return {"port": self.listener.getsockname()[1]}

    def accept(self) -> Result:
        self.sock, (host, port) = self.listener.accept()
        self.sock.settimeout(TIMEOUT)
        return {"host": host, "port": port}

    def connect(self, host: str, port: str) -> Result:
        self.sock = self.make()
        self.sock.connect((host, int(port)))
        ours = self.sock.getsockname()
        return {"host": ours[0], "port": ours[1]}

    def begin(self, host: str, port: str, octets: str, seed: str) -> Result:
        self.sock = self.make()
        data = random.Random(int(seed)).randbytes(int(octets))
        self.sock.setblocking(True)  # else it would ask for a cookie alone
        self.sock.sendto(data, socket.MSG_FASTOPEN, (host, int(port)))
        self.sock.settimeout(TIMEOUT)
        return {"sha256": hashlib.sha256(data).hexdigest()}

    def send(self, octets: str, seed: str) -> Result:
        data = random.Random(int(seed)).randbytes(int(octets))
        self.sock.sendall(data)
        return {"sha256": hashlib.sha256(data).hexdigest()}

    def receive(self, octets: str = "inf") -> Result:
        left = float(octets)
        digest = hashlib.sha256()
        total = 0
        while left and (data := self.sock.recv(int(min(left, CHUNK)))):
            digest.update(data)
            total += len(data)
            left -= len(data)
        return {"octets": total, "sha256": digest.hexdigest()}

    def exchange(self, octets: str, seed: str) -> Result:
        def upload() -> None:
            self.send(octets, seed)
            self.sock.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=upload, daemon=True)
        sender.start()
        result = self.receive()
        sender.join()
        return result

    def echo(self) -> Result:
        total = 0
        while data := self.sock.recv(CHUNK):
            self.sock.sendall(data)
            total += len(data)
        return {"octets": total}

    def shutdown(self) -> Result:
        self.sock.shutdown(socket.SHUT_WR)
        return {}

    def info(self) -> Result:
        info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
        options, scales = info[5], info[6]
        snd_mss, rcv_mss = struct.unpack_from("=2I", info, 16)
        (total_retrans,) = struct.unpack_from("=I", info, 100)
        return {
            "timestamps": bool(options & 1),
            "sack": bool(options & 2),
            "window_scaling": bool(options & 4),
            "data_in_syn": bool(options & 32),
            "snd_wscale": scales & 0xF,
            "rcv_wscale": scales >> 4,
            "snd_mss": snd_mss,
            "rcv_mss": rcv_mss,
            "total_retrans": total_retrans,
        }

    def close(self) -> Result:
        self.sock.close()
        return {}

    def abort(self) -> Result:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
        self.sock.close()
        return {}


def main() -> None:
    peer = Peer()
    for line in sys.stdin:
        name, *arguments = line.split()
        command: Callable[..., Result] = getattr(peer, name)
        try:
            result = command(*arguments)
        except OSError as error:
            result = {"error": error.errno, "text": f"{name}: {error}"}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
