"""A count of words by Lithops: its workers are processes, everything between them is in the store.

Prints what came out, as JSON.
"""

from __future__ import annotations

import json
import os
import sys

import lithops
from lithops.storage.utils import StorageNoSuchKeyError

LINES = ["to be or not to be", "that is the question", "to die to sleep"]


def count(line: str) -> dict[str, int]:
    """The words of a line."""
    words = line.split()
    return {word: words.count(word) for word in words}


def total(results: list[dict[str, int]]) -> dict[str, int]:
    """The words of all lines."""
    sums: dict[str, int] = {}
    for result in results:
        for word, number in result.items():
            sums[word] = sums.get(word, 0) + number
    return sums


def read(text: str) -> int:
    """A number; ValueError for what is none."""
    return int(text)


def main() -> None:
    """Run a map with a reduction, a map that fails, and use the storage itself."""
    port = int(os.environ["SERVER_PORT"])
    config = {
        "lithops": {"backend": "localhost", "storage": "redis", "monitoring_interval": 0.1},
        "localhost": {"runtime": sys.executable},
        "redis": {"host": "127.0.0.1", "port": port},
    }
    found: dict[str, object] = {}
    with lithops.FunctionExecutor(config=config) as executor:
        executor.map_reduce(count, LINES, total)
        found["words"] = executor.get_result()
        executor.map(read, ["1", "none"])
        try:
            executor.get_result()
        except ValueError as error:
            found["error"] = str(error)
    storage = lithops.Storage(config=config)
    for name in ("a/1", "a/b/2", "c"):
        storage.put_object("bucket", name, name.encode() * 1000)
    found["listed"] = sorted(storage.list_keys("bucket"))
    found["below"] = sorted(storage.list_keys("bucket", "a/"))
    found["size"] = storage.head_object("bucket", "a/b/2")["content-length"]
    part = storage.get_object("bucket", "c", extra_get_args={"Range": "bytes=10-19"})
    found["part"] = part.decode()
    storage.delete_object("bucket", "c")
    try:
        storage.get_object("bucket", "c")
    except StorageNoSuchKeyError:
        found["deleted"] = True
    print(json.dumps(found))


if __name__ == "__main__":
    main()
