"""redis-py's asyncio client over rudp, to a Redis that knows nothing of it.

Beside the server, ``rudp relay rudp://:7000 tcp://127.0.0.1:6379``; here ``python cache_redis.py
HOST 7000``.
"""

import asyncio
import sys

from redis.asyncio import Redis

import rudp


async def ask(host, port):
    """Count, keep a large value, and hear what is published."""
    async with Redis(host=host, port=port) as redis:
        counted = await asyncio.gather(*(redis.incr("rudp:visits") for _ in range(5)))
        print("visits", sorted(counted))
        await redis.set("rudp:value", bytes(20_000))
        print("value", len(await redis.get("rudp:value")))
        async with redis.pubsub() as news:
            await news.subscribe("rudp:news")
            while (message := await news.get_message(timeout=10))["type"] != "subscribe":
                pass
            await redis.publish("rudp:news", "all is well")
            message = await news.get_message(timeout=10)
            print("news", message["data"])
        await redis.delete("rudp:visits", "rudp:value")


async def main():
    await ask(sys.argv[1], int(sys.argv[2]))


if __name__ == "__main__":
    rudp.run(main())
