"""Judging: a pure function of the counted memories, in named steps, each computed once.

The steps are those of ``transforms``; here their small results are kept, so that a later step
reads rows and not the plan of all steps before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.keeping import kept
from jobs.ledger import Ledger, read_ledger, with_ledger
from transforms import published, schemas
from transforms.births import (
    believed,
    births,
    lives,
    located,
    our_accounts,
    own_regions,
    presences,
)
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
from transforms.places import births_at, clients, clients_at, places, unknown_private
from transforms.ranges import in_aws_space, in_cidrs
from transforms.sessions import identities, sessions, with_session
from transforms.shared import (
    SharedNumbers,
    endpoint_owners,
    members,
    moved_fleets,
    own_endpoint,
    settled,
    speakers,
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
class Known:
    """What former runs made of some sessions, so that not all is derived from sightings again.

    Attributes:
        identities: how sightings, all there are, name the sessions judged.
        stays: rows of ``schemas.STAYS`` of sessions judged, made of sightings not read again.
        elsewhere: rows of ``schemas.PLACES`` of the sessions that are not judged.
    """

    identities: DataFrame
    stays: DataFrame
    elsewhere: DataFrame


@dataclass(frozen=True)
class Memories:
    """The compact memories that judging reads: rows of counted batches.

    Attributes:
        sightings: rows of ``schemas.SIGHTINGS``.
        credentials: rows of ``schemas.CREDENTIALS``.
        inventory: rows of ``schemas.INVENTORY``.
        changes: rows of ``schemas.ADDRESS_CHANGES``.
        known: what is known beyond that; without it sessions are judged in full.
    """

    sightings: DataFrame
    credentials: DataFrame
    inventory: DataFrame
    changes: DataFrame
    known: Known | None = None


@dataclass(frozen=True)
class Seen:
    """What sessions show by themselves, each of them apart: strata 1 and 2, computed and kept.

    Attributes:
        placed: sightings with their session and kind of call.
        stays: rows of ``schemas.STAYS``.
        read: those of them that judging reads.
        addresses: which addresses lie in AWS space.
        alive: signs of life.
        presences: direct stays, with what is known of their sources.
        born: births.
        places: rows of ``schemas.PLACES``.
    """

    placed: DataFrame
    stays: DataFrame
    read: DataFrame
    addresses: DataFrame
    alive: DataFrame
    presences: DataFrame
    born: DataFrame
    places: DataFrame

    def beside(self, others: Seen) -> Seen:
        """Return these sessions and others, no session being in both."""
        parts = [f.name for f in fields(Seen)]
        rows = {n: getattr(self, n).unionByName(getattr(others, n)) for n in parts}
        return Seen(**{**rows, "addresses": kept(rows["addresses"].distinct())})


@dataclass(frozen=True)
class Verdicts:
    """The results of judging, computed and kept."""

    placed: DataFrame
    stays: DataFrame
    places: DataFrame
    homes: DataFrame
    pairs: DataFrame
    mismatches: DataFrame
    suspicious: DataFrame


def memories(warehouse: Warehouse) -> Memories:
    """Return the memories as they stand."""
    batches = kept(_counted_batches(warehouse))
    return Memories(
        _of(batches, warehouse.scan(schemas.SIGHTINGS)),
        _of(batches, warehouse.scan(schemas.CREDENTIALS)),
        _of(batches, warehouse.scan(schemas.INVENTORY)),
        _of(batches, warehouse.scan(schemas.ADDRESS_CHANGES)),
    )


def judge(
    memories: Memories,
    world: World,
    method: MethodSettings,
    others_judged: Collection[str] = (),
) -> Verdicts:
    """Judge memories.

    Args:
        memories: what all counted batches told.
        world: AWS space, allow-list and listed accounts.
        method: numbers and switches of the method.
        others_judged: kinds of workload that are judged beside EC2 instances.
    """
    seen = see(memories, world, method, others_judged)
    return judge_seen(seen, memories, world, method, others_judged)


def see(
    memories: Memories,
    world: World,
    method: MethodSettings,
    others_judged: Collection[str] = (),
) -> Seen:
    """Say what sessions show by themselves."""
    as_published = method.policy == "seed"
    workloads = () if as_published else others_judged
    credentials = memories.credentials.drop("batch_id").distinct()
    sightings, known = memories.sightings, memories.known
    named_by = known.identities if known else identities(sightings)
    address = F.col("source_address").alias("address")
    addresses = sightings.select(address)
    if known:
        addresses = addresses.union(known.stays.select(address))
    in_space = kept(in_aws_space(addresses.dropna().distinct(), world.aws_ranges))
    named = kept(
        sessions(
            kept(named_by),
            credentials,
            accept_name_proof=method.accept_name_proof,
            others=workloads,
        )
    )
    with_kind = kept(placed(with_session(sightings, named), in_space))
    before = known.stays if known else None
    all_stays = kept(stays(with_kind, method.ttl_hours, before))
    read = published.as_direct(all_stays) if as_published else all_stays
    alive = kept(lives(credentials, read))
    direct = kept(presences(read, in_space, method.ttl_hours))
    born = kept(births(direct, alive, method.birth_window_hours))
    here = kept(located(direct, own_regions(read, alive, born)))
    shown = clients(read.where(_is_direct()), born)
    return Seen(
        with_kind,
        all_stays,
        read,
        in_space,
        alive,
        here,
        born,
        kept(places(here, born, shown)),
    )


def judge_seen(
    seen: Seen,
    memories: Memories,
    world: World,
    method: MethodSettings,
    others_judged: Collection[str] = (),
) -> Verdicts:
    """Judge sessions by what they and all others show.

    Args:
        seen: what :func:`see` says of the sessions judged.
        memories: what all counted batches told, as far as it can touch these.
        world: AWS space, allow-list and listed accounts.
        method: numbers and switches of the method.
        others_judged: kinds of workload that are judged beside EC2 instances.
    """
    as_published = method.policy == "seed"
    workloads = () if as_published else others_judged
    credentials = memories.credentials.drop("batch_id").distinct()
    changes = kept(memories.changes.drop("batch_id").distinct())
    read, addresses, alive, born = seen.read, seen.addresses, seen.alive, seen.born
    everywhere = seen.places
    if memories.known:
        everywhere = kept(everywhere.unionByName(memories.known.elsewhere))
    all_born = kept(births_at(everywhere))
    accounts = kept(our_accounts(memories.inventory, everywhere, read, world.our_accounts))
    owners = kept(endpoint_owners(memories.inventory, endpoints_made(changes), accounts))
    here = kept(seen.presences.join(F.broadcast(owners), on="vpc_endpoint_id", how="left"))
    owned = everywhere.join(F.broadcast(owners), on="vpc_endpoint_id", how="left")
    trusting = believed(all_born, owned)
    ledger = read_ledger(changes, credentials, here, born, trusting, method)

    shared = _with_shared_facts(here, kept(settled(all_born)), ledger, accounts, owners, method)
    down = outages(ledger.changes, alive, read.select(*_INSTANCE).distinct())
    shown = clients_at(everywhere)
    facts = (
        with_ledger(shared, ledger, method)
        .join(not_running(here, down, method.stop_grace_minutes), on=[*STAY], how="left")
        .join(
            signals(read.where(_is_direct()), all_born, shown, method.ttl_hours),
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
    private = kept(unknown_private(everywhere))
    verdicts = judged(decided, others, folds, private, weak, method.neighbours)
    judged_pairs = kept(pairs(verdicts, homes_now))
    return Verdicts(
        placed=seen.placed,
        stays=seen.stays,
        places=seen.places,
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


def _with_shared_facts(  # noqa: PLR0913, PLR0917 - all that is shared
    presences: DataFrame,
    born: DataFrame,
    ledger: Ledger,
    accounts: DataFrame,
    owners: DataFrame,
    method: MethodSettings,
) -> DataFrame:
    """Presences with what many births say together: stratum 4."""
    numbers = shared_numbers(method)
    who = kept(members(born))
    with_counts = kept(with_others(presences, who))
    nat = nat_addresses(ledger.changes, accounts)
    forwarding = forwarders(ledger.changes, ledger.attached)
    shared = kept(with_egress(with_counts, born, nat, forwarding, ledger.held, numbers))
    moved = kept(moved_fleets(presences, numbers))
    speaking = speakers(born, who, owners, numbers)
    no = F.lit(False)
    return kept(
        with_neighbours(shared, born, method.bucket_hours)
        .join(moved, on=["session_id", "source"], how="left")
        .join(F.broadcast(speaking), on=[*STAY], how="left")
        .withColumn("moved_fleet", F.coalesce("moved_fleet", no))
        .withColumn("speaks_for_endpoint", F.coalesce("speaks_for_endpoint", no))
    )


def _allow_list(world: World, addresses: DataFrame) -> Callable[[DataFrame], DataFrame]:
    """What adds to stays the entry of the allow-list that covers them; most have no list."""
    if world.allow_list.isEmpty():
        return without_allow_list
    in_ranges = kept(in_cidrs(addresses.select("address"), world.allow_list))
    return lambda rows: with_allow_list(rows, world.allow_list, in_ranges)


_INSTANCE = ("session_id", "instance_id")


def shared_numbers(method: MethodSettings) -> SharedNumbers:
    """Return the numbers of shared facts."""
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
