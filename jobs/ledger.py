"""The ledger in two rounds of trust, so that nothing is circular: method, section 5, stratum 3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from jobs.keeping import kept
from transforms.ledger import (
    LedgerNumbers,
    associations,
    attachments,
    elastic_ends,
    explained,
    held_elsewhere,
    holdings,
    permits,
    sources,
    with_trust,
)
from transforms.stays import STAY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.settings import MethodSettings


@dataclass(frozen=True)
class Ledger:
    """What the ledger says: changes with trust, interfaces, holdings, and what they explain."""

    changes: DataFrame
    attached: DataFrame
    held: DataFrame
    explained: DataFrame


def read_ledger(  # noqa: PLR0913, PLR0917 - all that the ledger rests on
    changes: DataFrame,
    credentials: DataFrame,
    places: DataFrame,
    born: DataFrame,
    trusting: DataFrame,
    method: MethodSettings,
) -> Ledger:
    """Trust in two rounds: with birth homes, then with what the first round explains, too.

    The second is needed only where the first left a change untrusted, or explains a source: that
    is a former home to the move test.

    Args:
        changes: rows of ``schemas.ADDRESS_CHANGES``, each once.
        credentials: rows of ``schemas.CREDENTIALS``.
        places: located presences with the owner of their endpoint.
        born: births of the same sessions.
        trusting: rows of :func:`transforms.births.believed`, of all sessions.
        method: numbers and switches of the method.
    """
    seen_at = kept(sources(places))
    names = ["session_id", "account_id", "role_id", "session_name", "source"]
    trusting = kept(trusting.select(*names))
    first = _round(changes, credentials, places, seen_at, trusting, born, method)
    if first.changes.where("not trusted").isEmpty() and first.explained.isEmpty():
        return first
    also = places.join(
        first.explained.select("session_id", "source").distinct(),
        on=["session_id", "source"],
        how="left_semi",
    )
    also = also.select(*names)
    homes_now = born.select(*names).union(also).distinct()
    trusting = trusting.union(also).distinct()
    return _round(changes, credentials, places, seen_at, trusting, homes_now, method)


def _round(  # noqa: PLR0913, PLR0917 - both rounds read the same
    changes: DataFrame,
    credentials: DataFrame,
    places: DataFrame,
    seen_at: DataFrame,
    trusting: DataFrame,
    homes_now: DataFrame,
    method: MethodSettings,
) -> Ledger:
    numbers = _ledger_numbers(method)
    trusted = kept(with_trust(changes, credentials, trusting))
    attached, associated = kept(attachments(trusted)), kept(associations(trusted))
    held = kept(holdings(trusted, associated, attached))
    permitted = kept(permits(trusted, associated, attached))
    return Ledger(
        trusted,
        attached,
        held,
        kept(explained(places, seen_at, held, permitted, homes_now, numbers)),
    )


def with_ledger(facts: DataFrame, ledger: Ledger, method: MethodSettings) -> DataFrame:
    """Presences with what the ledger says of them: ``exact``, ``permitted``, ``holder`` and more.

    A start explains nothing where the session was born behind an egress.
    """
    elsewhere = held_elsewhere(facts, ledger.held, _ledger_numbers(method))
    session = Window.partitionBy("session_id")
    is_shared = F.col("egress") & F.col("is_birth_home") & (F.col("network") == "public_ipv4")
    by_start = F.coalesce("permit_by_start", F.lit(False))
    no = F.lit(False)
    return (
        facts.join(ledger.explained, on=[*STAY], how="left")
        .join(elsewhere, on=[*STAY], how="left")
        .join(F.broadcast(elastic_ends(ledger.held)), on=["instance_id", "source"], how="left")
        .withColumn("born_at_egress", F.max(is_shared).over(session))
        .withColumn("exact", F.coalesce("exact", no))
        .withColumn(
            "permitted", F.coalesce("permitted", no) & ~(by_start & F.col("born_at_egress"))
        )
        .withColumn("self_made", F.coalesce("self_made", no))
        .drop("permit_by_start", "born_at_egress")
    )


def _ledger_numbers(method: MethodSettings) -> LedgerNumbers:
    return LedgerNumbers(method.clock_skew_minutes, method.permit_hours, method.move_grace_minutes)
