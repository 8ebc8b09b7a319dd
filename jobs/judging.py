"""Judging: a pure function of the counted memories, in named steps, each computed once.

The steps are those of ``transforms``; here their small results are kept, so that a later step
reads rows and not the plan of all steps before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from transforms import schemas
from transforms.births import births, lives, our_accounts, own_regions, presences
from transforms.findings import suspicious
from transforms.homes import Fold, folded, homes, outcomes, with_corroboration
from transforms.mismatches import judged, mismatches, other_stays, pairs, with_allow_list
from transforms.ranges import in_aws_space, in_cidrs
from transforms.sessions import with_session
from transforms.shared import endpoint_owners, with_shared_facts
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

    alive = _kept(lives(credentials, all_stays))
    direct = _kept(presences(all_stays, addresses, method.ttl_hours))
    born = _kept(births(direct, alive, method.birth_window_hours))
    owners = _kept(
        endpoint_owners(inventory, our_accounts(inventory, all_stays, world.our_accounts))
    )
    facts = with_shared_facts(
        direct,
        born,
        own_regions(all_stays, alive, born),
        owners,
        n=method.neighbours,
        share=method.egress_share,
    )
    in_ranges = _kept(in_cidrs(addresses.select("address"), world.allow_list))
    facts = with_allow_list(facts.withColumn("kind", F.lit("direct")), world.allow_list, in_ranges)
    facts = _kept(with_corroboration(facts).withColumn("explained", _explained()))

    numbers = Fold(
        method.ttl_hours, method.birth_window_hours, method.move_grace_minutes, method.fold_stays
    )
    folds = _kept(folded(facts, alive, born, numbers))
    others = other_stays(all_stays, credentials, born, method.ttl_hours).join(
        F.broadcast(owners), on="vpc_endpoint_id", how="left"
    )
    others = with_allow_list(others, world.allow_list, in_ranges)
    homes_now = _kept(homes(folds, all_stays.select(*SESSION).distinct()))
    verdicts = judged(outcomes(folds, facts), others, folds, method.neighbours)
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


def _explained() -> Column:
    endpoint = F.col("endpoint_ours") & ~F.col("held_by_another")
    return F.coalesce(F.col("allow_owner").isNotNull() | F.col("egress") | endpoint, F.lit(False))


def _kept(rows: DataFrame) -> DataFrame:
    return rows.localCheckpoint()
