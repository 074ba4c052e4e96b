"""One UDP port, served by several processes: python workers.py [PORT [PROCESSES]].

Each process binds the port with reuse_port=True, and the kernel chooses one of them for every
datagram by a hash of the addresses and UDP ports that it comes from and goes to.  So a connection
is with one process from its first segment to its last, and what comes late finds the TIME-WAIT
record there.  Two things follow.  Connections that share a UDP socket, as those of one client
program to one server do, are all with the same process; local_addr=(host, 0) gives a connection a
socket of its own.  And all processes should be started before the first client comes and end
together: with their number the choice changes, and a process that does not know a connection
resets it.

Behind a balancer that hashes the client's address and UDP port, such as nginx's stream module with
"hash $remote_addr:$remote_port", the processes have UDP ports of their own.  Inside they all listen
to the same TCP port, which is the one that clients believe they talk to.
"""

import asyncio
import os
import signal
import subprocess
import sys

import rudp

HOST = "127.0.0.1"
PORT = 9000


async def answer(reader, writer):
    """Say who is here, then send back each line until one says goodbye."""
    writer.write(f"worker {os.getpid()}\n".encode())
    while (line := await reader.readline()) not in (b"", b"bye\n"):
        writer.write(line)
        await writer.drain()
    writer.close()


async def work(port):
    """Serve until standard input ends, which it does with the process at its other end."""
    server = await rudp.start_server(answer, HOST, port, inner_port=PORT, reuse_port=True)
    # In one piece, newline included: the others write to the same place.
    print(f"worker {os.getpid()} is there\n", end="", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


def main(port=PORT, processes=None):
    command = [sys.executable, __file__, "work", str(port)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(processes or os.cpu_count())
    ]
    try:
        for worker in workers:
            worker.wait()
    except KeyboardInterrupt:  # Ctrl-C ends them all
        for worker in workers:
            worker.communicate()


if __name__ == "__main__":
    if sys.argv[1:2] == ["work"]:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        asyncio.run(work(int(sys.argv[2])))
    else:
        main(*map(int, sys.argv[1:]))
