"""A peer whose process has ended: its UDP port answers with ICMP, and its FIN was already here."""

import asyncio
import sys

import pytest

import rudp

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux hands up what an ICMP error quotes"
)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
async def test_a_client_that_is_gone_does_not_keep_a_server_that_closes(host: str) -> None:
    """ICMP-2, ICMP-4, MUST-54, W-46: in LAST-ACK a closed port stands for the ACK that cannot come.

    Clients often end with their last ``wait_closed()``: nobody is left to acknowledge the
    server's FIN, and the server must not repeat it until the user timeout.
    """
    gone = asyncio.Event()
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            assert await reader.read() == b"all of it"
            await gone.wait()
            writer.close()
            await writer.wait_closed()
            ended.set_result(None)
        except BaseException as error:
            ended.set_exception(error)

    server = await rudp.start_server(handle, host, 0)
    port = server.sockets[0].getsockname()[1]
    target = "::1" if ":" in host else "127.0.0.1"
    _, writer = await rudp.open_connection(target, port)
    writer.write(b"all of it")
    writer.close()
    await writer.wait_closed()
    writer.get_extra_info("endpoint").close()  # as the end of the process would
    gone.set()
    await asyncio.wait_for(ended, 5)
    server.close()
    await server.wait_closed()
