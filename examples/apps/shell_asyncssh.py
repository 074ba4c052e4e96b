"""A server and a client of SSH by asyncssh: a command, and a port forwarded through it, over rudp.

The server has a key of its own, made for this run, and the client believes that one alone.  Nobody
is asked for a password here: a program that anybody can reach has a ``begin_auth`` that asks.
"""

import asyncio
import contextlib

import asyncssh

import rudp


class Open(asyncssh.SSHServer):
    """Let everybody in."""

    def begin_auth(self, username):
        return False


async def shell(process):
    """Run no command, but tell which one it was, and how long its input."""
    octets = len(await process.stdin.read())
    process.stdout.write(f"{process.command}: {octets} letters read")
    process.exit(0)


@contextlib.asynccontextmanager
async def serving(host, port, key):
    """Serve while the block runs; *key* says who this server is.  Gives the port."""
    server = await asyncssh.listen(
        host, port, server_factory=Open, server_host_keys=[key], process_factory=shell
    )
    async with server:
        yield server.get_port()


async def ask(host, port, key):
    """Run two commands at a time on one connection to a server that has *key*."""
    async with asyncssh.connect(
        host,
        port,
        config=[],  # nothing from this machine: no files, no agent, no keys
        username="anna",
        client_keys=None,
        agent_path=None,
        known_hosts=([key.convert_to_public()], [], []),
    ) as connection:
        for done in await asyncio.gather(
            connection.run("count", input="x" * 100_000), connection.run("write", input="hello")
        ):
            print(done.stdout, "with status", done.exit_status)


async def main():
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with serving("127.0.0.1", 0, key) as port:
        await ask("127.0.0.1", port, key)


if __name__ == "__main__":
    rudp.run(main())
