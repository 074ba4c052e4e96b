"""gRPC by grpclib: a call that is answered once and one that is answered often, over rudp.

A service usually comes from a ``.proto`` file and its compiler; this one is written out, with a
message that protobuf brings along.
"""

import contextlib

from google.protobuf.wrappers_pb2 import StringValue
from grpclib.client import Channel, UnaryStreamMethod, UnaryUnaryMethod
from grpclib.const import Cardinality, Handler
from grpclib.server import Server

import rudp


class Greeter:
    """What the compiler of ``.proto`` files would derive from its service."""

    async def greet(self, stream):
        name = (await stream.recv_message()).value
        await stream.send_message(StringValue(value=f"hello {name}"))

    async def spell(self, stream):
        for letter in (await stream.recv_message()).value:
            await stream.send_message(StringValue(value=letter))

    def __mapping__(self):
        one, many = Cardinality.UNARY_UNARY, Cardinality.UNARY_STREAM
        return {
            "/Greeter/Greet": Handler(self.greet, one, StringValue, StringValue),
            "/Greeter/Spell": Handler(self.spell, many, StringValue, StringValue),
        }


@contextlib.asynccontextmanager
async def serving(host, port, ssl=None):
    """Serve while the block runs, over TLS where there is a context."""
    server = Server([Greeter()])
    await server.start(host, port, ssl=ssl)
    try:
        yield port
    finally:
        server.close()
        await server.wait_closed()


async def ask(host, port, ssl=None):
    """Call both; *ssl* is the context that says whom to believe."""
    async with Channel(host, port, ssl=ssl) as channel:
        greet = UnaryUnaryMethod(channel, "/Greeter/Greet", StringValue, StringValue)
        spell = UnaryStreamMethod(channel, "/Greeter/Spell", StringValue, StringValue)
        print((await greet(StringValue(value="Anna"))).value)
        print(*[letter.value for letter in await spell(StringValue(value="TCP"))])


async def main():
    async with serving("127.0.0.1", 50051) as port:
        await ask("127.0.0.1", port)


if __name__ == "__main__":
    rudp.run(main())
