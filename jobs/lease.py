"""The lease: one run at a time judges and publishes, and a dead run's claims are taken over.

``writer`` has one row. A run takes it by raising its token; a concurrent taker's commit fails.
A run that finds another's lease still alive waits as long as it may, and then ends with a clear
message. On one machine a holder that no longer runs is dead at once; elsewhere its lease must run
out. What a holder still writes after that is fenced: see ``jobs.fence``.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from jobs.errors import CredtrailError
from jobs.failures import all_said
from jobs.fence import FencedError, set_property
from jobs.local_rows import local_rows
from jobs.tables import full_name
from transforms import schemas

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.tables import Warehouse


_AT_ONCE = (
    "Another run took the lease of this warehouse at the same moment. Nothing was done; run detect "
    "again when it is over."
)
_sleep = time.sleep
_LOOK_EVERY = 5.0
"""Seconds between looks at a lease that is waited for."""

_NAME = full_name(schemas.WRITER)
_RENEWED = "credtrail.renewed"
"""Property of ``writer``: token of the holder that renewed its lease last, and until when."""

_RENEWALS = 4
"""How often a living run renews its lease while it lasts."""

_PARTS = 4
_DEAD = ("Z", "X", "x")
"""States of a process that runs no more, as Linux names them."""


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
    over: threading.Event = field(default_factory=threading.Event)

    def keep(self) -> None:
        """Check that the lease is still ours.

        Raises:
            LeaseError: another run has taken it: what follows must not be written.
        """
        row = _row(self.warehouse)
        if not self._has(row):
            now_with = _told(row.holder) if row and row.holder else "another run, now over"
            msg = (
                f"This run lost its lease to {now_with}: it was paused for longer than "
                f"{self.minutes} minutes. Nothing more is written; run it again."
            )
            raise LeaseError(msg)

    def renew_until_over(self) -> None:
        """Let a thread renew the lease until it is given back: a stage may take longer than it.

        A run that is paused renews nothing. To renew a lease that is lost has no effect.
        """

        def renewing() -> None:
            while not self.over.wait(self.minutes * 60 / _RENEWALS):
                until = time.time() + self.minutes * 60
                with suppress(Exception):  # the next look at the lease finds out
                    set_property(self.warehouse.spark, _NAME, _RENEWED, f"{self.token} {until}")

        threading.Thread(target=renewing, name="lease", daemon=True).start()

    def is_ours(self) -> bool:
        """Tell whether nobody has taken it."""
        return self._has(_row(self.warehouse))

    def _has(self, row: Holding | None) -> bool:
        return row is not None and (row.token, row.holder) == (self.token, self.holder)

    def give_up(self, error: BaseException, record: Callable[[], None]) -> None:
        """Record a run that failed, and give the lease back; what failed first must be told.

        Args:
            error: why it failed; a run that has lost its lease writes nothing more.
            record: writes the row of the run.
        """
        self.over.set()
        if isinstance(error, LeaseError | FencedError):
            return
        with suppress(Exception):
            record()
        with suppress(Exception):
            self.release()

    def release(self) -> None:
        """Give the lease back, if it is still ours."""
        self.over.set()
        if self.is_ours():
            _update(self.warehouse, self.token, Holding(self.token, "", time.time()))


def acquire(warehouse: Warehouse, minutes: int, wait_minutes: int = 0) -> Lease:
    """Take the lease, and keep former holders from writing; from now on ours is written.

    Args:
        warehouse: open warehouse whose tables are there.
        minutes: how long the lease lives without a sign of its holder.
        wait_minutes: how long to wait for another run to end.

    Raises:
        LeaseError: another run has it, or took it at the same moment.
    """
    row = _when_free(warehouse, time.time() + wait_minutes * 60)
    taken = Holding(row.token + 1 if row else 1, _this_process(), time.time() + minutes * 60)
    _update(warehouse, row.token if row else 0, taken)
    lease = Lease(warehouse, taken.token, taken.holder, minutes)
    if not lease.is_ours():
        raise LeaseError(_AT_ONCE)
    warehouse.token = taken.token
    if row and row.holder:
        warehouse.fence()
    lease.renew_until_over()
    return lease


def _when_free(warehouse: Warehouse, deadline: float) -> Holding | None:
    """The row of ``writer`` once nobody alive holds the lease."""
    while True:
        row = _row(warehouse)
        now = time.time()
        if row is None or not row.holder or not _alive(row.holder):
            return row
        until = max(row.until, _renewed(warehouse, row.token))
        if until <= now:
            return row
        if now >= deadline:
            msg = (
                f"Another run works on this warehouse: {_told(row.holder)}. Its lease ends in "
                f"{(until - now) / 60:.0f} minutes unless it renews it. Nothing was done; run "
                "detect again when it is over, or let it wait with lease.wait_minutes."
            )
            raise LeaseError(msg)
        _sleep(min(_LOOK_EVERY, max(deadline - now, 0.1)))


def _renewed(warehouse: Warehouse, token: int) -> float:
    """Until when the holder of a token has renewed its lease; 0 if it has not."""
    said = warehouse.loaded(schemas.WRITER).properties().get(_RENEWED)
    of, _, until = (said or "0 0").partition(" ")
    return float(until) if int(of) == token else 0.0


def _as_table(warehouse: Warehouse, holding: Holding) -> DataFrame:
    return local_rows(
        warehouse.spark, [holding], "token bigint, holder string, until double"
    ).withColumn("until", F.timestamp_seconds("until"))


def _update(warehouse: Warehouse, before: int, after: Holding) -> None:
    """Change the row if its token is still ``before``, or make it; a concurrent change fails one.

    A clause for a match is there even where no row is: two inserts alone would both succeed.
    """
    _as_table(warehouse, after).createOrReplaceTempView("credtrail_lease")
    try:
        warehouse.spark.sql(
            f"MERGE INTO {full_name(schemas.WRITER)} t USING credtrail_lease s ON t.token > 0 "
            f"WHEN MATCHED AND t.token = {before} THEN UPDATE SET * "
            "WHEN NOT MATCHED THEN INSERT *"
        )
    except (PySparkException, Py4JJavaError) as error:
        said = all_said(error)
        if "ValidationException" not in said and "CommitFailed" not in said:
            raise
        raise LeaseError(_AT_ONCE) from error


def _row(warehouse: Warehouse) -> Holding | None:
    until = F.unix_micros("until") / 1_000_000
    row = (
        warehouse.scan(schemas.WRITER)
        .select("token", "holder", until.alias("until"))
        .orderBy(F.desc("token"))
        .first()
    )
    return Holding(*row) if row else None


def _this_process() -> str:
    """Machine, process, its start, and something that no other run has.

    A container is a machine of its own: its processes have numbers of their own.
    """
    pid = os.getpid()
    return f"{_machine()}:{pid}:{_started(pid)}:{secrets.token_hex(4)}"


def _machine() -> str:
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()}/{space.strip('pid:[]')}"


def _told(holder: str) -> str:
    """A holder in words."""
    machine, pid, *_ = holder.rsplit(":", _PARTS - 1)
    return f"process {pid} on {machine.partition('/')[0]}"


def _alive(holder: str) -> bool:
    """Tell whether a holder may still run; one on another machine may."""
    machine, pid, started, _ = holder.rsplit(":", _PARTS - 1)
    if machine != _machine() or not pid.isdigit():
        return True
    return _started(int(pid)) == started


def _started(pid: int) -> str:
    """Start time of a process of this machine, so that a pid used again is told apart.

    A process that is dead but not yet waited for by its parent does not run.
    """
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        pass
    else:
        return "gone" if state in _DEAD else fields[18]
    try:
        os.kill(pid, 0)
    except OSError:
        return "gone"
    return "running"
