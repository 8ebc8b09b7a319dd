"""What Spark, Iceberg and the catalog raise, in words: what happened, where, and what to do."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from jobs.catalog import WAREHOUSE, local_warehouse
from jobs.errors import CredtrailError
from jobs.session import LOG
from jobs.show import plain

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_FULL = ("No space left on device", "SQLITE_FULL", "database or disk is full", "quota exceeded")
_CONFLICT = ("ValidationException", "CommitFailedException", "ConcurrentModificationException")
_LOCKED = ("SQLITE_BUSY", "database is locked")
_MEMORY = ("OutOfMemoryError", "Java heap space")
_CAUSE = re.compile(
    r"^(?:Caused by: )?(?:[\w$]+\.)+([\w$]+(?:Exception|Error)): (.+)", re.MULTILINE
)
_LONGEST = 300


class FailedError(CredtrailError):
    """A run failed for a reason of its surroundings."""


@contextmanager
def in_words(spark: SparkSession) -> Iterator[None]:
    """Turn what the platform raises inside into one clear message.

    Raises:
        FailedError: what was raised, told; the error itself is its cause.
    """
    try:
        yield
    except (PySparkException, Py4JError, OSError) as error:
        raise FailedError(_words(spark, error)) from error


def _words(spark: SparkSession, error: Exception) -> str:
    text = all_said(error)
    if _says(text, _FULL):
        return (
            f"The disk is full: {_room(spark)}. Make room, or name another folder (--warehouse, or "
            "spark.local.dir in the settings). Nothing half-done counts: run detect again, and it "
            "goes on from there."
        )
    if _says(text, _CONFLICT):
        return (
            "Another process wrote to this warehouse at the same moment, and came first. Nothing "
            "half-done counts: run detect again."
        )
    if _says(text, _LOCKED):
        return (
            "The catalog of this warehouse was locked by another process for too long. See what "
            "holds catalog.db open, then run detect again."
        )
    if _says(text, _MEMORY):
        return (
            "Spark ran out of memory. Give it more (spark.driver.memory in the settings) or take "
            "less in at once (inputs.batch_bytes); nothing half-done counts. Run detect again."
        )
    log = spark.conf.get(LOG, None) if _is_alive(spark) else None
    more = f" More is in {log}." if log else ""
    return f"Spark failed: {_cause(text)}.{more} Nothing half-done counts: run detect again."


def _says(text: str, words: tuple[str, ...]) -> bool:
    return any(word in text for word in words)


def all_said(error: BaseException) -> str:
    """All that an error and its causes say, Java's among them."""
    parts = [str(error)]
    with suppress(Exception):  # the JVM may be gone
        parts.append(str(getattr(error, "_stackTrace", "") or ""))
    return "\n".join(parts)


def _cause(text: str) -> str:
    """The innermost cause, in one line."""
    found = _CAUSE.findall(text)
    said = f"{found[-1][0]}: {found[-1][1]}" if found else text.strip().partition("\n")[0]
    return plain(said, _LONGEST).rstrip(". ")


def _room(spark: SparkSession) -> str:
    """How much room is left where a run writes."""
    places = {}
    if _is_alive(spark):
        folder = local_warehouse(spark.conf.get(WAREHOUSE) or "")
        if folder:
            places["the warehouse"] = str(folder)
        scratch = spark.sparkContext.getConf().get("spark.local.dir", tempfile.gettempdir())
        places["Spark's scratch"] = os.environ.get("SPARK_LOCAL_DIRS") or scratch or ""
    rooms = []
    for what, path in places.items():
        with suppress(OSError):
            free = shutil.disk_usage(path.partition(",")[0]).free
            rooms.append(f"{free / 2**20:,.0f} MiB are left for {what} in {path}")
    return ", ".join(rooms) or "a write found no room"


def _is_alive(spark: SparkSession) -> bool:
    try:
        return not spark.sparkContext._jsc.sc().isStopped()  # noqa: SLF001
    except Exception:  # noqa: BLE001 - whatever it is, it does not answer
        return False
