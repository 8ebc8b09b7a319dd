"""Judging: a pure function of the counted memories, in named steps, each computed once.

The steps are those of ``transforms``; here their small results are kept, so that a later step
reads rows and not the plan of all steps before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.keeping import kept
from jobs.ledger import Ledger, read_ledger, with_ledger
from transforms import published, schemas
from transforms.births import births, lives, located, our_accounts, own_regions, presences
from transforms.findings import suspicious
from transforms.homes import HOME, Fold, folded, homes, outcomes, with_corroboration
from transforms.ledger import endpoints_made, forwarders, nat_addresses, not_running, outages
from transforms.mismatches import (
    functions_outside,
    judged,
    mismatches,
    other_stays,
    pairs,
    with_allow_list,
    without_allow_list,
)
from transforms.ranges import in_aws_space, in_cidrs
from transforms.sessions import identities, sessions, with_session
from transforms.shared import (
    SharedNumbers,
    endpoint_owners,
    members,
    moved_fleets,
    own_endpoint,
    settled,
    with_egress,
    with_neighbours,
    with_others,
)
from transforms.signals import signals, weak_signals
from transforms.stays import SESSION, STAY, placed, stays
from transforms.workloads import EC2, LAMBDA, WITH_HOME

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
    batches = kept(_counted_batches(warehouse))
    tables = (
        schemas.SIGHTINGS,
        schemas.CREDENTIALS,
        schemas.INVENTORY,
        schemas.ADDRESS_CHANGES,
    )
    return Memories(*[_of(batches, warehouse.scan(table)) for table in tables])


def judge(
    memories: Memories,
    world: World,
    method: MethodSettings,
    others_judged: Collection[str] = (),
) -> Verdicts:
    """Judge memories in full.

    Args:
        memories: what all counted batches told.
        world: AWS space, allow-list and listed accounts.
        method: numbers and switches of the method.
        others_judged: kinds of workload that are judged beside EC2 instances.
    """
    as_published = method.policy == "seed"
    workloads = () if as_published else others_judged
    credentials = memories.credentials.drop("batch_id").distinct()
    inventory, sightings = memories.inventory, memories.sightings
    addresses = kept(
        in_aws_space(
            sightings.select(F.col("source_address").alias("address")).dropna().distinct(),
            world.aws_ranges,
        )
    )
    named = kept(
        sessions(
            kept(identities(sightings)),
            credentials,
            accept_name_proof=method.accept_name_proof,
            others=workloads,
        )
    )
    known = kept(placed(with_session(sightings, named), addresses))
    all_stays = kept(stays(known, method.ttl_hours))
    read = published.as_direct(all_stays) if as_published else all_stays

    alive = kept(lives(credentials, read))
    direct = kept(presences(read, addresses, method.ttl_hours))
    born = kept(births(direct, alive, method.birth_window_hours))
    accounts = kept(our_accounts(inventory, read, world.our_accounts))
    regions = kept(own_regions(read, alive, born))
    changes = kept(memories.changes.drop("batch_id").distinct())
    owners = kept(endpoint_owners(inventory, endpoints_made(changes), accounts))
    places = kept(
        located(direct, regions).join(F.broadcast(owners), on="vpc_endpoint_id", how="left")
    )
    ledger = read_ledger(changes, credentials, places, born, method)

    shared = _with_shared_facts(places, kept(settled(born, regions)), ledger, accounts, method)
    down = outages(ledger.changes, alive, read.select(*_INSTANCE).distinct())
    facts = (
        with_ledger(shared, ledger, method)
        .join(not_running(places, down, method.stop_grace_minutes), on=[*STAY], how="left")
        .join(
            signals(read.where(_is_direct()), born, method.ttl_hours),
            on=["session_id", "source"],
            how="left",
        )
        .withColumn("kind", F.lit("direct"))
    )
    allowed = _allow_list(world, addresses)
    facts = allowed(facts)
    facts = kept(with_corroboration(facts).withColumn("explained", _explained()))

    if as_published:
        decided = kept(published.locked(facts, changes, alive))
        folds = kept(published.folded(decided, HOME))
    else:
        folds = kept(folded(facts, alive, born, _fold_numbers(method)))
        decided = outcomes(folds, facts)
    at_home = decided.where("outcome <> 'mismatch' or explained")
    others = other_stays(read, credentials, at_home, method.ttl_hours)
    if LAMBDA in workloads:
        outside = functions_outside(read, addresses, shared, method.ttl_hours)
        others = others.unionByName(outside, allowMissingColumns=True)
    others = others.join(F.broadcast(owners), on="vpc_endpoint_id", how="left")
    if as_published:
        others = others.where(F.col("session_kind") == EC2)
    others = allowed(others)
    homes_now = kept(homes(folds, read.select(*SESSION).distinct()))
    weak = (
        weak_signals(read.where(_is_direct()), homes_now, method.neighbours, method.ttl_hours)
        if method.weak_signals
        else None
    )
    verdicts = judged(decided, others, folds, weak, method.neighbours)
    judged_pairs = kept(pairs(verdicts, homes_now))
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
    return _of(_counted_batches(warehouse), warehouse.scan(table))


def _counted_batches(warehouse: Warehouse) -> DataFrame:
    files = warehouse.scan(schemas.INPUT_FILES).where("state = 'counted'")
    return files.select("batch_id").distinct()


def _of(batches: DataFrame, rows: DataFrame) -> DataFrame:
    return rows.join(F.broadcast(batches), on="batch_id", how="left_semi")


def _with_shared_facts(
    places: DataFrame,
    born: DataFrame,
    ledger: Ledger,
    accounts: DataFrame,
    method: MethodSettings,
) -> DataFrame:
    """Presences with what many births say together: stratum 4."""
    numbers = _shared_numbers(method)
    with_counts = kept(with_others(places, kept(members(born))))
    nat = nat_addresses(ledger.changes, accounts)
    forwarding = forwarders(ledger.changes, ledger.attached)
    shared = kept(with_egress(with_counts, born, nat, forwarding, ledger.held, numbers))
    moved = kept(moved_fleets(places, numbers))
    return kept(
        with_neighbours(shared, born, method.bucket_hours)
        .join(moved, on=["session_id", "source"], how="left")
        .withColumn("moved_fleet", F.coalesce("moved_fleet", F.lit(False)))
    )


def _allow_list(world: World, addresses: DataFrame) -> Callable[[DataFrame], DataFrame]:
    """What adds to stays the entry of the allow-list that covers them; most have no list."""
    if world.allow_list.isEmpty():
        return without_allow_list
    in_ranges = kept(in_cidrs(addresses.select("address"), world.allow_list))
    return lambda rows: with_allow_list(rows, world.allow_list, in_ranges)


_INSTANCE = ("session_id", "instance_id")


def _shared_numbers(method: MethodSettings) -> SharedNumbers:
    return SharedNumbers(
        method.neighbours, method.egress_share, method.bucket_hours, method.move_grace_minutes
    )


def _fold_numbers(method: MethodSettings) -> Fold:
    return Fold(
        method.ttl_hours,
        method.birth_window_hours,
        method.move_grace_minutes,
        method.fold_stays,
        method.neighbours,
    )


def _is_direct() -> Column:
    return F.col("session_kind").isin(*WITH_HOME) & (F.col("kind") == "direct")


def _explained() -> Column:
    excused = (
        F.col("allow_entries").isNotNull()
        | F.col("egress")
        | F.col("moved_fleet")
        | F.col("exact")
        | F.col("permitted")
        | own_endpoint()
    )
    return F.coalesce(excused, F.lit(False))
