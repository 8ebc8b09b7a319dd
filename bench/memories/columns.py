"""What rows of the past are made with: columns that depend on the row alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Column
from pyspark.sql import functions as F

from simulator.fleet import HOUR

if TYPE_CHECKING:
    from bench.memories.past import Past


def drawn(what: str, *of: str) -> Column:
    """A number from 0 to 1 that depends on the row alone."""
    columns = of or ("number", "second")
    return F.pmod(F.xxhash64(F.lit(what), *columns), F.lit(1 << 30)) / float(1 << 30)


def time_at(second: Column, past: Past) -> Column:
    """The time at a second after the start."""
    return F.timestamp_seconds(second + int(past.start.timestamp()))


def batch(second: Column) -> Column:
    """The batch of the hourly run that took an event in: the trail is told at once."""
    return F.floor(second / HOUR).cast("long") + 1


def uuid(digits: Column) -> Column:
    """A UUID of version 5 of 32 digits."""
    parts = [F.substring(digits, begin, count) for begin, count in ((1, 8), (9, 4))]
    return F.concat_ws(
        "-",
        *parts,
        F.concat(F.lit("5"), F.substring(digits, 14, 3)),
        F.concat(F.lit("a"), F.substring(digits, 18, 3)),
        F.substring(digits, 21, 12),
    )


def access_key(prefix: str, digits: Column) -> Column:
    """An access key of 32 digits: those that no key has stand for letters that it may have."""
    letters = F.translate(F.upper(F.substring(digits, 1, 16)), "0189", "GHIJ")
    return F.concat(F.lit(prefix), letters)


def resource(kind: str, *columns: str) -> Column:
    """An id of a resource of EC2, made from some columns."""
    digits = F.md5(F.concat_ws(" ", F.lit(kind), *columns))
    return F.concat(F.lit(f"{kind}-0"), F.substring(digits, 1, 16))
