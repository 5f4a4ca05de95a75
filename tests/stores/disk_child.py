"""Another process at the disk store, for tests: `python -m tests.stores.disk_child ROLE PATH MAX_BYTES`.

`write` puts batches of ten until it is killed and says how many are durable; `once` puts three entries and leaves;
`hold-write` and `hold-read` begin a transaction and never end it.
"""

import asyncio
import sys
import time
from itertools import count
from pathlib import Path

import lmdb

from askonce.config.settings import DiskSettings
from askonce.stores.disk import DiskWriter, open_environment
from tests.stores.contract import Clock, make_entry


async def write(environment: lmdb.Environment, max_bytes: int, batches: int | None) -> None:
    clock = Clock()
    writer = DiskWriter(environment, max_bytes, clock)
    for batch in count() if batches is None else range(batches):
        await writer.put([make_entry(clock, f"{batch}.{n}", payload=b"x" * 3000) for n in range(10)])
        print(batch, flush=True)
    await writer.close()


def main(role: str, path: str, max_bytes: int) -> None:
    environment = open_environment(DiskSettings(path=Path(path), max_bytes=max_bytes), writable=True)
    match role:
        case "write":
            asyncio.run(write(environment, max_bytes, None))
        case "once":
            asyncio.run(write(environment, max_bytes, 1))
        case _:
            with environment.begin(write=role == "hold-write"):
                print("held", flush=True)
                time.sleep(60)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
