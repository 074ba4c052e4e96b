"""A peer, or a rendezvous, in a process of its own; driven by lines of JSON on standard input.

The first line says what it is: ``{"serve": HOST}`` for a rendezvous, else the arguments of
:func:`rudp.punch`, and ``after``, seconds to wait before.
"""

import asyncio
import json
import sys
from typing import Any

import rudp


def tell(**what: Any) -> None:
    print(json.dumps(what), flush=True)


async def next_line() -> Any:
    return json.loads(await asyncio.to_thread(sys.stdin.readline) or "null")


async def serve(host: str, **options: Any) -> None:
    async with await rudp.start_rendezvous(host, **options) as rendezvous:
        tell(listening=rendezvous.sockets[0].getsockname()[1])
        while await next_line() is not None:
            tell(**rendezvous.stats())


async def punch(after: float = 0.0, name: str = "", idle: float = 0.0, **options: Any) -> None:
    for key in ("local", "remote"):
        if key in options:
            options[key] = tuple(options[key])
    tell(ready=True)
    await next_line()
    await asyncio.sleep(after)
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        reader, writer = await rudp.punch(**options)
    except OSError as error:
        tell(error=str(error), kind=type(error).__name__, seconds=loop.time() - began)
        return
    took = loop.time() - began
    await asyncio.sleep(idle)
    writer.write(name.encode())
    writer.write_eof()
    said = await asyncio.wait_for(reader.read(), 10.0)
    kind = writer.get_extra_info("punched")
    writer.close()
    await writer.wait_closed()
    tell(said=said.decode(), kind=kind, seconds=took)


async def main() -> None:
    options = await next_line()
    if "serve" in options:
        await serve(options.pop("serve"), **options)
    else:
        await punch(**options)


if __name__ == "__main__":
    asyncio.run(main())
