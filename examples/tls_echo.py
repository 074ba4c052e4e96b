"""An echo over TLS 1.3: rudp carries the segments, TLS says who is there and hides what is said.

A certificate for this machine, and its key::

    openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30
        -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1

(one line).  Then ``tls_echo.py serve cert.pem key.pem``; beside it ``tls_echo.py ask cert.pem``.
The client believes nobody but the owner of that key; where the certificate is a public authority's
``ssl=True`` is all it needs.

A stream that ends without TLS's own farewell was cut by somebody: reading it raises
``ssl.SSLEOFError``, an ``OSError`` as a lost connection is.
"""

import argparse
import asyncio
import ssl
import sys

import rudp


async def echo(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
    except OSError as error:
        print(f"a client was lost: {error}", file=sys.stderr)


async def serve(cert, key, host, port):
    """Echo what clients send, until Ctrl-C."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    server = await rudp.start_server(echo, host, port, ssl=context)
    print(f"waiting on port {server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await server.serve_forever()


async def ask(cert, host, port):
    """Send one line and print what comes back, and how it travelled."""
    context = ssl.create_default_context(cafile=cert)
    reader, writer = await rudp.open_connection(host, port, ssl=context)
    print(writer.get_extra_info("ssl_object").version(), *writer.get_extra_info("cipher")[:1])
    writer.write(b"hello\n")
    print(await reader.readline())
    writer.close()
    await writer.wait_closed()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["serve", "ask"])
    parser.add_argument("cert", help="the certificate, PEM")
    parser.add_argument("key", nargs="?", help="its key, PEM: the server's secret")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=9003)
    options = parser.parse_args()
    if options.what == "ask":
        work = ask(options.cert, options.host, options.port)
    elif options.key is None:
        parser.error("serve needs the key")
    else:
        work = serve(options.cert, options.key, options.host, options.port)
    try:
        asyncio.run(work)
    except OSError as error:
        print(f"it failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
