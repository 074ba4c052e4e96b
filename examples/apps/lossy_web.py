"""web_fastapi.py, server and client, in the simulator: the path is bad, and nobody waits for it."""

import asyncio

import web_fastapi

import rudp
from rudp.sim import VirtualLoop


async def main():
    await web_fastapi.main()
    print(f"after {asyncio.get_running_loop().time():.2f} virtual seconds")


if __name__ == "__main__":
    rudp.run(main(), base=VirtualLoop, seed=7, delay=0.05, loss=0.1)
