"""The format "kvshuffle": what one job writes to a shuffle, another one reads.

A task of the writing job is a map, whose number is that of its Spark partition, and each attempt of
a task is an attempt of the map: it pushes its rows, and hands the driver what there is to commit.
The driver commits when all tasks are through, so of a task that ran twice one attempt counts; then
it seals the shuffle. A shuffle is written once, so mode "overwrite" does what "append" does. Spark
does not say beforehand how many tasks there will be, so the shuffle is opened for `maps` of them,
and sealed with those that came.

The shuffle lives for `ttl` seconds after it was last used. Nothing is acknowledged, since a task
that reads may run again: who is done with the shuffle ends it, or lets its time be over.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from pyspark import TaskContext
from pyspark.sql.datasource import (
    DataSource,
    DataSourceArrowWriter,
    DataSourceReader,
    InputPartition,
    WriterCommitMessage,
)
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
from pyspark.sql.types import StructType

from kvclient.blocking.client import Client
from kvclient.blocking.shuffles import Shuffle
from kvclient.errors import ConfigurationError, KvError, ShuffleCommitted, ShuffleGone, UsageError
from kvclient.shuffle.codecs import CODECS
from kvclient.shuffle.terms import MapOutput

MAPS: Final = 4096
PARTITIONS: Final = 16
TTL_S: Final = 3600
TIMEOUT_S: Final = 600

_OPTIONS: Final = {
    *("url", "id", "path", "maps", "partitions", "by", "codec", "ttl", "quota", "timeout"),
}


def arrow_schema(schema: StructType) -> Any:
    """Return the Arrow schema of a Spark schema; its times are in UTC.

    Newer versions of Spark have to be told that, and older ones have no argument for it.
    """
    is_asked = "timezone" in inspect.signature(to_arrow_schema).parameters
    options: dict[str, Any] = {"timezone": "UTC"} if is_asked else {}
    return to_arrow_schema(schema, **options)


@dataclass(frozen=True)
class Settings:
    """What the options of a reader or writer say.

    url: the server; the executors' environment says where, if it is not given.
    id: the name of the shuffle, which is also what `load` and `save` take.
    maps: the most tasks that may write.
    partitions: how many partitions it has, each of which one task reads.
    by: columns whose values decide a row's partition, as "a,b"; without, batches take turns.
    codec: none, lz4 or zstd. ttl: seconds for which it is kept when nobody uses it. quota: bytes.
    timeout: seconds for which a reader waits until it is written.
    """

    url: str | None
    id: str
    maps: int
    partitions: int
    by: tuple[str, ...]
    codec: str
    ttl_s: int
    quota: int | None
    timeout_s: int

    @classmethod
    def of(cls, options: Mapping[str, str]) -> Settings:
        """Read the options of a data frame's reader or writer."""
        told = {name.lower(): value for name, value in options.items()}
        if unknown := sorted(set(told) - _OPTIONS):
            raise ConfigurationError(
                f"unknown option {unknown[0]!r}; there are {', '.join(sorted(_OPTIONS))}"
            )
        id = told.get("id") or told.get("path")
        if not id:
            raise ConfigurationError("the shuffle has no id: say .option('id', ...) or load(id)")

        codec = told.get("codec", "none")
        if codec not in CODECS:
            raise ConfigurationError(f"codec is {codec!r}, must be one of {', '.join(CODECS)}")

        def number(name: str, default: int) -> int:
            text = told.get(name, str(default))
            if not text.isdigit() or int(text) < 1:
                raise ConfigurationError(f"{name} is {text!r}, must be a whole number from 1 on")
            return int(text)

        return cls(
            told.get("url"),
            id,
            number("maps", MAPS),
            number("partitions", PARTITIONS),
            tuple(name.strip() for name in told.get("by", "").split(",") if name.strip()),
            codec,
            number("ttl", TTL_S),
            number("quota", 0) if "quota" in told else None,
            number("timeout", TIMEOUT_S),
        )

    @contextmanager
    def opened(self) -> Iterator[Shuffle]:
        """Open the shuffle, which is no error when this was done before, and stay connected."""
        with Client(self.url) as client:
            yield Shuffle.open(
                client,
                self.id,
                maps=self.maps,
                partitions=self.partitions,
                codec=self.codec,
                ttl_s=self.ttl_s,
                quota=self.quota,
            )

    @contextmanager
    def attached(self) -> Iterator[Shuffle]:
        """Use a shuffle that is open; ShuffleGone if there is none."""
        with Client(self.url) as client:
            yield Shuffle.attach(client, self.id)


class KvShuffleDataSource(DataSource):
    """The format "kvshuffle" of Spark; `Settings` names its options."""

    @classmethod
    def name(cls) -> str:
        """Return what stands in `format`."""
        return "kvshuffle"

    def schema(self) -> StructType:
        """Return the schema of what was written; where no task wrote, it has to be given."""
        settings = Settings.of(self.options)
        with settings.attached() as shuffle:
            shuffle.wait(settings.timeout_s)
            for partition in range(shuffle.partitions):
                for table in shuffle.read_tables(partition):
                    return from_arrow_schema(table.schema)
        raise UsageError(f"{settings.id} has nothing to tell its schema: say .schema(...)")

    def reader(self, schema: StructType) -> KvShuffleReader:
        """Return what reads a shuffle."""
        return KvShuffleReader(Settings.of(self.options), schema)

    def writer(self, schema: StructType, overwrite: bool) -> KvShuffleWriter:
        """Return what writes a shuffle, to which nothing was committed before."""
        settings = Settings.of(self.options)
        with suppress(ShuffleGone), settings.attached() as shuffle:
            status = shuffle.status()
            if status.committed or status.is_sealed:
                raise UsageError(f"{settings.id} is written already: a shuffle is written once")
        if unknown := sorted(set(settings.by) - set(schema.names)):
            raise ConfigurationError(f"by names {unknown[0]!r}, must name columns: {schema.names}")
        return KvShuffleWriter(settings, schema)


@dataclass(frozen=True)
class Part(InputPartition):
    """A partition, in the epoch that all tasks of a job read."""

    number: int
    epoch: int


class KvShuffleReader(DataSourceReader):
    """Reads a shuffle, each of its partitions by a task."""

    def __init__(self, settings: Settings, schema: StructType) -> None:
        self._settings = settings
        self._schema = schema

    def partitions(self) -> Sequence[InputPartition]:
        """Return the partitions, as soon as the shuffle is written."""
        with self._settings.attached() as shuffle:
            epoch = shuffle.wait(self._settings.timeout_s)
            return [Part(number, epoch) for number in range(shuffle.partitions)]

    def read(self, partition: InputPartition) -> Iterator[Any]:
        """Yield the record batches of a partition; MissingData unless it is whole.

        ShuffleStale if maps ran again since the job began, and need not have written the same.
        """
        assert isinstance(partition, Part), "partitions() made it"
        schema = arrow_schema(self._schema)
        with self._settings.attached() as shuffle:
            for table in shuffle.read_tables(partition.number, epoch=partition.epoch):
                yield from table.select(schema.names).cast(schema).to_batches()


@dataclass(frozen=True)
class Written(WriterCommitMessage):
    """What a task has pushed, for the driver to commit."""

    output: MapOutput


class KvShuffleWriter(DataSourceArrowWriter):
    """Writes a shuffle; its tasks push, its driver commits."""

    def __init__(self, settings: Settings, schema: StructType) -> None:
        self._settings = settings
        self._schema = schema

    def write(self, iterator: Iterator[Any]) -> Written:
        """Push the rows of a Spark partition as a new attempt of its map."""
        context = TaskContext.get()
        number = context.partitionId() if context is not None else 0
        with self._settings.opened() as shuffle:
            if number >= shuffle.maps:
                raise UsageError(f"task {number} of {shuffle.maps}: raise the option maps")
            task = shuffle.map_task(number)
            turn = -1
            try:
                for turn, batch in enumerate(iterator):
                    if self._settings.by:
                        task.write_table(batch, by=list(self._settings.by))
                    else:
                        task.write_part((number + turn) % shuffle.partitions, batch)
                if turn < 0:
                    # Where no task has rows, readers still learn the schema.
                    task.write_part(0, arrow_schema(self._schema).empty_table())
                return Written(task.prepare())
            except BaseException:
                with suppress(KvError):
                    task.abort()
                raise

    def commit(self, messages: Sequence[Any]) -> None:
        """Commit what the tasks have pushed, and seal the shuffle."""
        outputs = [message.output for message in messages if message is not None]
        with self._settings.opened() as shuffle:
            for output in outputs:
                winner = shuffle.commit_map(output)
                if winner != output.attempt:
                    raise UsageError(f"{shuffle.id}: map {output.map} was committed by another job")
            shuffle.seal(len(outputs))

    def abort(self, messages: Sequence[Any]) -> None:
        """Drop what the tasks have pushed; the job may run again, under the same id."""
        with suppress(ShuffleGone), self._settings.attached() as shuffle:
            for message in messages:
                if message is not None:
                    with suppress(ShuffleCommitted):
                        shuffle.abort_map(message.output.map, message.output.attempt)
