#!/usr/bin/env bash
# asyncio: a forked child that leaves asyncio.run() in the ordinary way makes its parent's loop
# deaf.
#
# Seen with CPython 3.11.7, 3.12.1 and 3.13.0 and uvloop 0.23.0, Linux 6.18.
#
# A child of os.fork() has copies of the loop's descriptors, but its epoll instance is the
# parent's own. What the child stops to watch is watched no longer in the parent either, although
# there nothing has been closed and nothing raises. So a child that closes its copy of a server
# takes from the parent the server, whose clients connect and are never accepted. A child that
# only ends, by sys.exit() in a coroutine, closes the loop, and with it the pipe that wakes the
# loop for other threads: from then on asyncio.to_thread(), run_in_executor() and with them
# getaddrinfo() end when a timer happens to wake the loop, and else never, and asyncio.run()
# itself, which waits for its threads, may not return. With uvloop it is the server that is lost
# in both cases, and the threads' results come all the same. os._exit() in the child avoids all of
# it.
#
# Output:
#   asyncio, sys.exit(): server answers, thread is not heard
#   asyncio, close() and sys.exit(): server is deaf, thread is not heard
#   asyncio, os._exit(): server answers, thread is heard
#   uvloop, sys.exit(): server is deaf, thread is heard
#   uvloop, close() and sys.exit(): server is deaf, thread is heard
#   uvloop, os._exit(): server answers, thread is heard
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
timeout 180 "$folder/venv/bin/pip" install --quiet --disable-pip-version-check uvloop==0.23.0

cat > "$folder/case.py" <<'PYTHON'
import asyncio
import os
import sys
import time

import uvloop

CHILD = {
    "sys.exit()": lambda server: sys.exit(),
    "close() and sys.exit()": lambda server: (server.close(), sys.exit()),
    "os._exit()": lambda server: os._exit(0),
}


async def answer(reader, writer):
    writer.write(await reader.read(100))
    writer.close()


async def ask(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"?")
    await reader.read(100)
    writer.close()


async def by_itself(coroutine):
    """Does it end before a timer wakes the loop?"""
    began = time.monotonic()
    try:
        await asyncio.wait_for(coroutine, 3)
    except TimeoutError:
        return False
    return time.monotonic() - began < 2


async def state(port):
    server = await by_itself(ask(port))
    thread = await by_itself(asyncio.to_thread(time.sleep, 0.1))
    return (
        f"server {'answers' if server else 'is deaf'}, "
        f"thread is {'heard' if thread else 'not heard'}"
    )


async def main(child):
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    before = await state(port)
    assert before == "server answers, thread is heard", before
    pid = os.fork()
    if not pid:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the child may complain
        child(server)
    os.waitpid(pid, 0)
    print(await state(port), flush=True)
    os._exit(0)  # asyncio.run() may not return any more


loop, how = sys.argv[1:]
(uvloop if loop == "uvloop" else asyncio).run(main(CHILD[how]))
PYTHON

while IFS=: read -r loop how expected; do
    seen=$(timeout 20 "$folder/venv/bin/python" -W ignore "$folder/case.py" "$loop" "$how") ||
        seen="no result"
    if [ "$seen" != "$expected" ]; then
        echo "changed: $loop, $how: $seen instead of $expected" >&2
        exit 1
    fi
    echo "$loop, $how: $seen"
done <<'CASES'
asyncio:sys.exit():server answers, thread is not heard
asyncio:close() and sys.exit():server is deaf, thread is not heard
asyncio:os._exit():server answers, thread is heard
uvloop:sys.exit():server is deaf, thread is heard
uvloop:close() and sys.exit():server is deaf, thread is heard
uvloop:os._exit():server answers, thread is heard
CASES
