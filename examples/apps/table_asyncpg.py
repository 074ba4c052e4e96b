"""asyncpg over rudp, to a PostgreSQL that knows nothing of it.

Beside the server, ``rudp relay rudp://:7000 tcp://127.0.0.1:5432``; here ``python table_asyncpg.py
HOST 7000 USER DATABASE``.  The password is where it always is: in PGPASSWORD or ~/.pgpass.
"""

import asyncio
import sys

import asyncpg

import rudp


async def ask(host, port, user, database):
    """Copy rows into a table, ask many questions at a time, and give one up."""
    where = {"host": host, "port": port, "user": user, "database": database}
    async with asyncpg.create_pool(**where, min_size=2, max_size=4) as pool:
        async with pool.acquire() as connection:
            await connection.execute("CREATE TEMPORARY TABLE squares (n int, square int)")
            rows = [(n, n * n) for n in range(1000)]
            print(await connection.copy_records_to_table("squares", records=rows))
            print("sum", await connection.fetchval("SELECT sum(square) FROM squares"))
        print(await asyncio.gather(*(pool.fetchval("SELECT $1::int * 2", n) for n in range(8))))
        try:
            await pool.fetchval("SELECT pg_sleep(60)", timeout=0.5)
        except TimeoutError:  # on a second connection, asyncpg has told the server to stop
            print("given up")


async def main():
    host, port, user, database = sys.argv[1:]
    await ask(host, int(port), user, database)


if __name__ == "__main__":
    rudp.run(main())
