"""Say what came of a case: a row in the table ``reviews``, which ``detect`` only reads."""

from __future__ import annotations

import getpass
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.errors import InputError, Problem, UsageError
from jobs.findings import select
from jobs.show import plain
from jobs.warehouse import Warehouse

if TYPE_CHECKING:
    import argparse


def run(args: argparse.Namespace) -> int:
    """Entry point of ``credtrail review``."""
    note = args.note.strip()
    if not note:
        advice = "Write why, in a sentence for whoever comes next."
        raise UsageError([Problem("--note", "it is empty.", advice)])
    with Warehouse(args.warehouse) as warehouse:
        case_id = record(warehouse, args.case, args.state, note, args.by or _user())
    sys.stdout.write(f"Case {plain(case_id)}: {args.state}.\n")
    return 0


def record(warehouse: Warehouse, case: str, state: str, note: str, by: str) -> str:
    """Append a review, and return the id of its case; the newest review of a case counts.

    Args:
        warehouse: where the case is.
        case: id of the case or of one of its findings, or how that begins.
        state: acknowledged, false_alarm or contained.
        note: why.
        by: who says so.
    """
    found = select(warehouse.scan("findings", ("case_id", "finding_id")), case)
    case_id = str(found[0]["case_id"])
    row = {"case_id": case_id, "state": state, "by": by, "note": note, "at": datetime.now(UTC)}
    warehouse.append("reviews", row)
    return case_id


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        message = "Nobody knows who you are here. Say so: --by NAME"
        raise InputError(message) from None
