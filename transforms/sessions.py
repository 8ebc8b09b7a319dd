"""Which sightings are a workload's own, and which merely carry the name of one.

Method, section 1. A record of 2018 names neither the instance nor the delivery of its key:
there the name alone speaks, and anybody may choose a session name. The AssumeRole calls
settle it: a key that EC2 issued is the instance's, a key that another principal was issued is
that principal's. A task or pod is one only if its service is seen to have assumed its role.
"""

from __future__ import annotations

from collections.abc import Collection

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.identity import PROOF_DELIVERY, PROOF_IN_SCOPE, role_name
from transforms.workloads import EC2, INSTANCE_NAME, OTHERS, WORKLOADS

IMPERSONATED, SELF_ASSUMED = "impersonated", "self_assumed"
BORROWED = (IMPERSONATED, SELF_ASSUMED)
"""Sessions of somebody else that bear the name of a workload."""

_NAME = ("account_id", "role_name", "session_name")


def with_session(
    sightings: DataFrame,
    credentials: DataFrame,
    *,
    accept_name_proof: bool,
    others: Collection[str] = (),
) -> DataFrame:
    """Sightings with ``session_id`` and ``session_kind``; those of no judged session are left out.

    Kinds: those of :data:`transforms.workloads.WORKLOADS` (a workload's own), ``impersonated``
    (another principal chose the name of a workload that is known to us), ``self_assumed`` (a
    workload's own session assumed a role under its own name, as applications do).

    Args:
        sightings: rows of ``schemas.SIGHTINGS``.
        credentials: rows of ``schemas.CREDENTIALS``.
        accept_name_proof: trust an instance's name that no AssumeRole contradicts.
        others: kinds of workload that are judged beside EC2 instances.
    """
    named = _with_role_id(sightings.withColumn("role_name", role_name(F.col("role_arn"))))
    is_told = F.col("proof").isin(PROOF_IN_SCOPE, PROOF_DELIVERY, *OTHERS)
    told = named.where(is_told).withColumn("session_kind", _kind_told())
    by_name = _by_credentials(
        named.where(~is_told), credentials, accept_name_proof=accept_name_proof
    )
    resolved = told.unionByName(by_name).where(F.col("session_kind").isin(EC2, *others, *BORROWED))
    known = _of_known_workloads(resolved, credentials, others)
    return known.withColumn("session_id", _session_id())


def _kind_told() -> Column:
    """Kind where AWS itself tells it: of an instance, or of the workload that the proof names."""
    return F.when(F.col("proof").isin(*OTHERS), F.col("proof")).otherwise(F.lit(EC2))


def _by_credentials(
    named: DataFrame, credentials: DataFrame, *, accept_name_proof: bool
) -> DataFrame:
    """Sightings with a key as their proof, by who was issued it, or else their name.

    They go by themselves: all others have the same few proofs, and would meet in one task.
    """
    return (
        named.join(_issued_keys(credentials), on=["proof", *_NAME], how="left")
        .join(_assumers(credentials), on=list(_NAME), how="left")
        .withColumn("session_kind", _session_kind(accept_name_proof=accept_name_proof))
        .select(*named.columns, "session_kind")
    )


def _with_role_id(sightings: DataFrame) -> DataFrame:
    """Fill a hidden role id from other records of the same role, if they agree on one."""
    role = ["account_id", "role_name"]
    known = (
        sightings.select(*role, "role_id")
        .distinct()
        .groupBy(*role)
        .agg(F.min("role_id").alias("lowest"), F.max("role_id").alias("highest"))
        .where("lowest = highest")
        .select(*role, F.col("lowest").alias("known_role_id"))
    )
    recorded = sightings.withColumn("recorded_role_id", F.col("role_id"))
    return recorded.join(F.broadcast(known), on=role, how="left").withColumn(
        "role_id",
        F.coalesce("role_id", "known_role_id", "role_name", F.lit("(unknown role)")),
    )


def _issued_keys(credentials: DataFrame) -> DataFrame:
    """One row per issued key and session name: who got it. The key stands in ``proof``."""
    own_name = F.col("issued_by_session_name") == F.col("session_name")
    return (
        credentials.where(F.col("access_key_id").isNotNull())
        .withColumn("role_name", role_name(F.col("role_arn")))
        .groupBy(F.col("access_key_id").alias("proof"), *_NAME)
        .agg(
            F.lit(True).alias("key_is_known"),
            F.max("issued_for").alias("key_issued_for"),
            F.min(F.coalesce(own_name, F.lit(False))).alias("key_by_itself"),
        )
    )


def _assumers(credentials: DataFrame) -> DataFrame:
    """One row per role and session name: for whom a service assumed it, and did anybody else."""
    return (
        credentials.withColumn("role_name", role_name(F.col("role_arn")))
        .groupBy(*_NAME)
        .agg(
            F.max("issued_for").alias("assumed_for"),
            F.max(F.col("issued_for").isNull()).alias("another_assumed"),
        )
    )


def _session_kind(*, accept_name_proof: bool) -> Column:
    accepted_by_name = (
        F.lit(accept_name_proof)
        & ~F.coalesce("another_assumed", F.lit(False))
        & F.col("session_name").rlike(INSTANCE_NAME)
    )
    return (
        F.when(F.col("key_issued_for").isNotNull(), F.col("key_issued_for"))
        .when(F.col("key_by_itself"), F.lit(SELF_ASSUMED))
        .when(F.col("key_is_known"), F.lit(IMPERSONATED))
        .when(F.col("assumed_for").isNotNull(), F.col("assumed_for"))
        .when(accepted_by_name, F.lit(EC2))
        .when(F.col("another_assumed"), F.lit(IMPERSONATED))
    )


def _of_known_workloads(
    resolved: DataFrame, credentials: DataFrame, others: Collection[str]
) -> DataFrame:
    """Leave out borrowed names of workloads that nothing else speaks of."""
    is_own = F.col("session_kind").isin(*WORKLOADS)
    known = (
        resolved.where(is_own)
        .select("instance_id")
        .union(
            credentials.where(F.col("issued_for").isin(EC2, *others)).select(
                F.col("session_name").alias("instance_id")
            )
        )
        .distinct()
    )
    borrowed = resolved.where(~is_own).join(known, on="instance_id", how="left_semi")
    return resolved.where(is_own).unionByName(borrowed)


def _session_id() -> Column:
    own = F.concat_ws("/", "account_id", "role_id", "session_name")
    kind = F.col("session_kind")
    return F.when(kind.isin(*BORROWED), F.concat(own, F.lit("@"), kind)).otherwise(own)
