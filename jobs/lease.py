"""The lease: one run at a time judges and publishes, and a dead run's claims are taken over.

``writer`` has one row. A run takes it by raising its token; a concurrent taker's commit fails.
A run that finds another's lease still alive ends with a clear message. On one machine a holder
that no longer runs is dead at once; elsewhere its lease must run out.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from jobs.errors import CredtrailError
from jobs.local_rows import local_rows
from jobs.tables import full_name
from transforms import schemas

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.tables import Warehouse


class LeaseError(CredtrailError):
    """Another run holds the lease, or took it away from this one."""


class Holding(NamedTuple):
    """The row of ``writer``: token, holder, and end in seconds since 1970 (UTC)."""

    token: int
    holder: str
    until: float


@dataclass
class Lease:
    """A lease that this process holds."""

    warehouse: Warehouse
    token: int
    holder: str
    minutes: int
    until: float

    def keep(self) -> None:
        """Check that the lease is still ours, and extend it once half of it is over.

        Raises:
            LeaseError: another run has taken it: what follows must not be written.
        """
        row = _row(self.warehouse)
        if row is None or row.token != self.token:
            now_with = "nobody" if row is None else row.holder
            msg = (
                f"This run lost its lease to {now_with}: it was paused for longer than "
                f"{self.minutes} minutes. Nothing more is written; run it again."
            )
            raise LeaseError(msg)
        if time.time() > self.until - self.minutes * 30:
            self.until = time.time() + self.minutes * 60
            _update(self.warehouse, self.token, Holding(self.token, self.holder, self.until))

    def release(self) -> None:
        """Give the lease back."""
        _update(self.warehouse, self.token, Holding(self.token, "", time.time()))


def acquire(warehouse: Warehouse, minutes: int) -> Lease:
    """Take the lease, or raise :class:`LeaseError` that says who has it.

    Args:
        warehouse: open warehouse whose tables are there.
        minutes: how long the lease lives without a sign of its holder.
    """
    row = _row(warehouse)
    if row is not None and row.holder and row.until > time.time() and _alive(row.holder):
        msg = (
            f"Another run works on this warehouse: {row.holder}, for at most "
            f"{(row.until - time.time()) / 60:.0f} more minutes. Wait for it, or try again then."
        )
        raise LeaseError(msg)
    until = time.time() + minutes * 60
    taken = Holding(row.token + 1 if row else 1, _this_process(), until)
    if row is None:
        warehouse.append(schemas.WRITER, _as_table(warehouse, taken))
    else:
        _update(warehouse, row.token, taken)
    lease = Lease(warehouse, taken.token, taken.holder, minutes, until)
    lease.keep()
    return lease


def _as_table(warehouse: Warehouse, holding: Holding) -> DataFrame:
    return local_rows(
        warehouse.spark, [holding], "token bigint, holder string, until double"
    ).withColumn("until", F.timestamp_seconds("until"))


def _update(warehouse: Warehouse, before: int, after: Holding) -> None:
    """Change the row if its token is still ``before``; a concurrent change makes one fail."""
    _as_table(warehouse, after).createOrReplaceTempView("credtrail_lease")
    try:
        warehouse.spark.sql(
            f"MERGE INTO {full_name(schemas.WRITER)} t USING credtrail_lease s "
            f"ON t.token = {before} WHEN MATCHED THEN UPDATE SET *"
        )
    except PySparkException as error:
        if "ValidationException" not in str(error) and "CommitFailed" not in str(error):
            raise
        msg = "Another run took the lease of this warehouse at the same moment. Try again later."
        raise LeaseError(msg) from error


def _row(warehouse: Warehouse) -> Holding | None:
    until = F.unix_micros("until") / 1_000_000
    rows = warehouse.scan(schemas.WRITER).select("token", "holder", until.alias("until")).collect()
    if len(rows) > 1:
        msg = "Two runs created the lease of this warehouse at once. Run detect again."
        raise LeaseError(msg)
    return Holding(*rows[0]) if rows else None


def _this_process() -> str:
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{_started(pid)}"


def _alive(holder: str) -> bool:
    """Tell whether a holder may still run; one on another machine may."""
    host, pid, started = holder.rsplit(":", 2)
    if host != socket.gethostname() or not pid.isdigit():
        return True
    return _started(int(pid)) == started


def _started(pid: int) -> str:
    """Start time of a process of this machine, so that a pid used again is told apart."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        pass
    try:
        os.kill(pid, 0)
    except OSError:
        return "gone"
    return "running"
