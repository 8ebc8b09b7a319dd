"""Judging: a pure function of the counted memories, in named steps, each computed once.

The steps are those of ``transforms``; here their small results are kept, so that a later step
reads rows and not the plan of all steps before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from transforms import published, schemas
from transforms.births import births, lives, located, our_accounts, own_regions, presences
from transforms.findings import suspicious
from transforms.homes import HOME, Fold, folded, homes, outcomes, with_corroboration
from transforms.ledger import (
    LedgerNumbers,
    elastic_ends,
    explained,
    forwarders,
    held_elsewhere,
    holdings,
    nat_addresses,
    not_running,
    outages,
    permits,
    with_trust,
)
from transforms.mismatches import judged, mismatches, other_stays, pairs, with_allow_list
from transforms.ranges import in_aws_space, in_cidrs
from transforms.sessions import EC2, with_session
from transforms.shared import Fleet, SharedNumbers, endpoint_owners, with_shared_facts
from transforms.signals import signals
from transforms.stays import SESSION, placed, stays

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from jobs.settings import MethodSettings
    from jobs.tables import Warehouse
    from jobs.world import World


@dataclass(frozen=True)
class Memories:
    """The compact memories that judging reads: rows of counted batches."""

    sightings: DataFrame
    credentials: DataFrame
    inventory: DataFrame
    changes: DataFrame


@dataclass(frozen=True)
class Verdicts:
    """The results of judging, computed and kept."""

    placed: DataFrame
    stays: DataFrame
    homes: DataFrame
    pairs: DataFrame
    mismatches: DataFrame
    suspicious: DataFrame


def memories(warehouse: Warehouse) -> Memories:
    """Return the memories as they stand."""
    return Memories(
        counted(warehouse, schemas.SIGHTINGS),
        counted(warehouse, schemas.CREDENTIALS),
        counted(warehouse, schemas.INVENTORY),
        counted(warehouse, schemas.ADDRESS_CHANGES),
    )


def judge(memories: Memories, world: World, method: MethodSettings) -> Verdicts:
    """Judge memories in full."""
    credentials = memories.credentials.drop("batch_id").distinct()
    inventory, sightings = memories.inventory, memories.sightings
    addresses = _kept(
        in_aws_space(
            sightings.select(F.col("source_address").alias("address")).dropna().distinct(),
            world.aws_ranges,
        )
    )
    seen = with_session(sightings, credentials, accept_name_proof=method.accept_name_proof)
    known = _kept(placed(seen, addresses))
    all_stays = _kept(stays(known, method.ttl_hours))
    as_published = method.policy == "seed"
    if as_published:
        all_stays = published.as_direct(all_stays)

    alive = _kept(lives(credentials, all_stays))
    direct = _kept(presences(all_stays, addresses, method.ttl_hours))
    born = _kept(births(direct, alive, method.birth_window_hours))
    accounts = _kept(our_accounts(inventory, all_stays, world.our_accounts))
    regions = _kept(own_regions(all_stays, alive, born))
    places = _kept(located(direct, regions))
    changes = memories.changes.drop("batch_id").distinct()
    ledger = _ledger(changes, credentials, places, born, method)

    owners = _kept(endpoint_owners(inventory, accounts))
    nat = nat_addresses(ledger.changes, accounts)
    fleet = Fleet(born, regions, owners, nat, forwarders(ledger.changes), ledger.held)
    shared = SharedNumbers(
        method.neighbours, method.egress_share, method.bucket_hours, method.move_grace_minutes
    )
    facts = _with_ledger(_kept(with_shared_facts(places, fleet, shared)), ledger, method)
    down = outages(
        changes, alive.select("session_id", "alive_at"), all_stays.select(*_INSTANCE).distinct()
    )
    stay = ["session_id", "source", "first_seen"]
    facts = facts.join(not_running(places, down, method.stop_grace_minutes), on=stay, how="left")
    said = signals(all_stays.where(_is_direct()), born, method.ttl_hours)
    facts = facts.join(said, on=["session_id", "source"], how="left")

    in_ranges = _kept(in_cidrs(addresses.select("address"), world.allow_list))
    facts = with_allow_list(facts.withColumn("kind", F.lit("direct")), world.allow_list, in_ranges)
    facts = _kept(with_corroboration(facts).withColumn("explained", _explained()))

    numbers = Fold(
        method.ttl_hours,
        method.birth_window_hours,
        method.move_grace_minutes,
        method.fold_stays,
        method.neighbours,
    )
    if as_published:
        decided = _kept(published.locked(facts, changes, alive))
        folds = _kept(published.folded(decided, HOME))
    else:
        folds = _kept(folded(facts, alive, born, numbers))
        decided = outcomes(folds, facts)
    others = other_stays(all_stays, credentials, born, method.ttl_hours).join(
        F.broadcast(owners), on="vpc_endpoint_id", how="left"
    )
    if as_published:
        others = others.where(F.col("session_kind") == EC2)
    others = with_allow_list(others, world.allow_list, in_ranges)
    homes_now = _kept(homes(folds, all_stays.select(*SESSION).distinct()))
    verdicts = judged(decided, others, folds, method.neighbours)
    judged_pairs = _kept(pairs(verdicts, homes_now))
    return Verdicts(
        placed=known,
        stays=all_stays,
        homes=homes_now,
        pairs=judged_pairs,
        mismatches=mismatches(judged_pairs),
        suspicious=suspicious(judged_pairs),
    )


def counted(warehouse: Warehouse, table: schemas.Table) -> DataFrame:
    """Rows of a table whose batch is counted: all others do not exist for any reader."""
    batches = (
        warehouse.scan(schemas.INPUT_FILES).where("state = 'counted'").select("batch_id").distinct()
    )
    return warehouse.scan(table).join(F.broadcast(batches), on="batch_id", how="left_semi")


@dataclass(frozen=True)
class _Ledger:
    """What the ledger says: changes with trust, holdings, and what they explain."""

    changes: DataFrame
    held: DataFrame
    explained: DataFrame


def _ledger(
    changes: DataFrame,
    credentials: DataFrame,
    places: DataFrame,
    born: DataFrame,
    method: MethodSettings,
) -> _Ledger:
    """Trust in two rounds: with birth homes, then with what the first round explains, too.

    The second is needed only where a workload made a change from what was not yet a home.
    """
    first = _round(changes, credentials, places, born, method)
    if first.changes.where("not trusted").isEmpty():
        return first
    also = places.join(
        first.explained.select("session_id", "source").distinct(),
        on=["session_id", "source"],
        how="left_semi",
    )
    names = ["session_id", "account_id", "role_id", "session_name", "source"]
    homes_now = born.select(*names).union(also.select(*names)).distinct()
    return _round(changes, credentials, places, homes_now, method)


def _round(
    changes: DataFrame,
    credentials: DataFrame,
    places: DataFrame,
    homes_now: DataFrame,
    method: MethodSettings,
) -> _Ledger:
    numbers = _ledger_numbers(method)
    trusted = _kept(with_trust(changes, credentials, homes_now))
    held = _kept(holdings(trusted))
    return _Ledger(
        trusted,
        held,
        _kept(explained(places, held, permits(trusted), homes_now, numbers)),
    )


def _with_ledger(facts: DataFrame, ledger: _Ledger, method: MethodSettings) -> DataFrame:
    stay = ["session_id", "source", "first_seen"]
    elsewhere = held_elsewhere(facts, ledger.held, _ledger_numbers(method))
    return (
        facts.join(ledger.explained, on=stay, how="left")
        .join(elsewhere, on=stay, how="left")
        .join(F.broadcast(elastic_ends(ledger.held)), on=["instance_id", "source"], how="left")
        .withColumns(
            {name: F.coalesce(name, F.lit(False)) for name in ("exact", "permitted", "self_made")}
        )
    )


def _ledger_numbers(method: MethodSettings) -> LedgerNumbers:
    return LedgerNumbers(method.clock_skew_minutes, method.permit_hours, method.move_grace_minutes)


_INSTANCE = ("session_id", "instance_id")


def _is_direct() -> Column:
    return (F.col("session_kind") == EC2) & (F.col("kind") == "direct")


def _explained() -> Column:
    endpoint = F.col("endpoint_ours") & ~F.col("another_here") & F.col("holder").isNull()
    excused = (
        F.col("allow_owner").isNotNull()
        | F.col("egress")
        | F.col("moved_fleet")
        | F.col("exact")
        | F.col("permitted")
        | endpoint
    )
    return F.coalesce(excused, F.lit(False))


def _kept(rows: DataFrame) -> DataFrame:
    return rows.localCheckpoint()
