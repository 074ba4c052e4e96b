#!/usr/bin/env bash
# aioquic and qh3: the StreamWriter of a QUIC stream is asyncio's own class, but drain() and
# wait_closed() do not work on it.
#
# Seen with aioquic 1.7.2, qh3 2.1.0, CPython 3.11.7.
#
# create_stream() returns an asyncio.StreamReader and an asyncio.StreamWriter, so one writes the
# loop that one knows from TCP: write(), await drain(). In aioquic drain() returns at once
# whatever is unsent, without a turn of the loop: nothing pauses the writer, and a sender that is
# faster than its path fills its memory. At the other end nothing pauses the reader either: the
# limit of 64 KiB is no limit, credit is given for what has arrived rather than for what has been
# read, and it piles up in the reader. QUIC's flow control, which TCP's users rely on here, is at
# work all the time and holds nobody back. wait_closed() waits for ever, also when the stream and
# the connection have ended. In qh3, which descends from aioquic, both raise AttributeError.
#
# Output:
#   aioquic: drain() returned, 20000000 octets in 0 turns of the loop; a reader that nobody reads has over 10 MB; wait_closed() waits on
#   qh3: drain() raised AttributeError; wait_closed() raised AttributeError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
timeout 180 "$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    aioquic==1.7.2 qh3==2.1.0

cd "$folder"
timeout 100 venv/bin/python - <<'PYTHON'
import asyncio
import datetime
import importlib
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def make_certificate():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now()
    day = datetime.timedelta(days=2)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    pathlib.Path("certificate").write_bytes(certificate.public_bytes(pem))
    pathlib.Path("key").write_bytes(
        key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


async def write_much(writer):
    """20 MB with drain() after each 100,000 octets; how often did the loop run meanwhile?"""
    turns = 0

    def turn():
        nonlocal turns
        turns += 1
        if running:
            asyncio.get_running_loop().call_soon(turn)

    running = True
    asyncio.get_running_loop().call_soon(turn)
    written = 0
    try:
        for _ in range(200):
            writer.write(bytes(100_000))
            written += 100_000
            await writer.drain()
    except AttributeError:
        return "drain() raised AttributeError"
    finally:
        running = False
    return f"drain() returned, {written} octets in {turns} turns of the loop"


async def pile(accepted):
    """Wait until a reader that nobody reads has more than 10 MB."""
    for _ in range(300):
        await asyncio.sleep(0.1)
        if accepted and len(accepted[0][0]._buffer) > 10_000_000:
            return "a reader that nobody reads has over 10 MB"
    return "the reader has less than 10 MB"


async def main(package):
    api = importlib.import_module(f"{package}.asyncio")
    configuration = importlib.import_module(f"{package}.quic.configuration").QuicConfiguration
    ours = configuration(is_client=False, alpn_protocols=["x"])
    ours.load_cert_chain("certificate", "key")
    accepted = []
    server = await api.serve(
        "127.0.0.1",
        0,
        configuration=ours,
        stream_handler=lambda reader, writer: accepted.append((reader, writer)),
    )
    port = server._transport.get_extra_info("sockname")[1]
    theirs = configuration(is_client=True, alpn_protocols=["x"], server_name="localhost")
    theirs.load_verify_locations("certificate")
    found = []
    async with api.connect("127.0.0.1", port, configuration=theirs) as client:
        _, writer = await client.create_stream()
        found.append(await write_much(writer))
        if package == "aioquic":
            found.append(await pile(accepted))
        writer.close()
    try:
        await asyncio.wait_for(writer.wait_closed(), 2)
        found.append("wait_closed() returned")
    except TimeoutError:
        found.append("wait_closed() waits on")
    except AttributeError:
        found.append("wait_closed() raised AttributeError")
    server.close()
    return "; ".join(found)


make_certificate()
for package, expected in (
    (
        "aioquic",
        "drain() returned, 20000000 octets in 0 turns of the loop; "
        "a reader that nobody reads has over 10 MB; wait_closed() waits on",
    ),
    ("qh3", "drain() raised AttributeError; wait_closed() raised AttributeError"),
):
    seen = asyncio.run(main(package))
    if seen != expected:
        sys.exit(f"changed: {package}: {seen}")
    print(f"{package}: {seen}", flush=True)
PYTHON
