"""Which sightings are a workload's own, and which merely carry the name of one.

Method, section 1. A record of 2018 names neither the instance nor the delivery of its key:
there the name alone speaks, and anybody may choose a session name. The AssumeRole calls
settle it: a key that EC2 issued is the instance's, a key that another principal was issued is
that principal's. A task or pod is one only if its service is seen to have assumed its role.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.identity import PROOF_DELIVERY, PROOF_IN_SCOPE, role_name
from transforms.workloads import EC2, INSTANCE_NAME, OTHERS, WORKLOADS

IMPERSONATED, SELF_ASSUMED = "impersonated", "self_assumed"
BORROWED = (IMPERSONATED, SELF_ASSUMED)
"""Sessions of somebody else that bear the name of a workload."""

TOLD = (PROOF_IN_SCOPE, PROOF_DELIVERY, *OTHERS)
"""Proofs by which AWS itself tells whose a session is, whatever the credentials say."""

IDENTITY = ("account_id", "role_id", "role_arn", "session_name", "instance_id", "proof")
"""What records say of who makes a call."""

_RECORDED = {name: f"recorded_{name}" for name in ("role_id", "role_arn", "instance_id")}
"""What the session knows better than a single record does."""

_KEY = tuple(_RECORDED.get(name, name) for name in IDENTITY)
_NAME = ("account_id", "role_name", "session_name")


def identities(sightings: DataFrame) -> DataFrame:
    """The ways in which sightings name sessions: one row each of :data:`IDENTITY`."""
    return sightings.select(*IDENTITY).distinct()


def sessions(
    identities: DataFrame,
    credentials: DataFrame,
    *,
    accept_name_proof: bool,
    others: Collection[str] = (),
) -> DataFrame:
    """Identities with the session they name; those of no judged session are left out.

    Adds ``session_id``, ``session_kind``, and the role id, ARN and instance of that session, the
    fullest that its records know. What a record itself says of these stands in ``recorded_*``.

    Kinds: those of :data:`transforms.workloads.WORKLOADS` (a workload's own), ``impersonated``
    (another principal chose the name of a workload that is known to us), ``self_assumed`` (a
    workload's own session assumed a role under its own name, as applications do).

    Args:
        identities: rows of :func:`identities`.
        credentials: rows of ``schemas.CREDENTIALS``.
        accept_name_proof: trust an instance's name that no AssumeRole contradicts.
        others: kinds of workload that are judged beside EC2 instances.
    """
    recorded = {kept: F.col(name) for name, kept in _RECORDED.items()}
    named = _with_role_id(
        identities.withColumns(recorded).withColumn("role_name", role_name(F.col("role_arn")))
    )
    is_told = F.col("proof").isin(*TOLD)
    by_credentials = _by_credentials(accept_name_proof=accept_name_proof)
    resolved = (
        named.join(_issued_keys(credentials), on=["proof", *_NAME], how="left")
        .join(_assumers(credentials), on=list(_NAME), how="left")
        .withColumn("session_kind", F.when(is_told, _kind_told()).otherwise(by_credentials))
        .where(F.col("session_kind").isin(EC2, *others, *BORROWED))
    )
    known = _of_known_workloads(resolved, credentials, others)
    return _fullest(known.withColumn("session_id", _session_id())).select(
        *_KEY, "session_id", "session_kind", "role_id", "role_arn", "instance_id"
    )


def with_session(sightings: DataFrame, sessions: DataFrame) -> DataFrame:
    """Sightings of judged sessions with their session, from rows of :func:`sessions`."""
    seen = sightings.withColumnsRenamed(_RECORDED)
    same = reduce(and_, [F.col(f"seen.{name}").eqNullSafe(F.col(f"told.{name}")) for name in _KEY])
    more = [name for name in sessions.columns if name not in _KEY]
    return (
        seen.alias("seen")
        .join(sessions.alias("told"), on=same, how="inner")
        .select("seen.*", *[f"told.{name}" for name in more])
    )


def _kind_told() -> Column:
    """Kind where AWS itself tells it: of an instance, or of the workload that the proof names."""
    return F.when(F.col("proof").isin(*OTHERS), F.col("proof")).otherwise(F.lit(EC2))


def _with_role_id(identities: DataFrame) -> DataFrame:
    """Fill a hidden role id from other records of the same role, if they agree on one.

    By a join, as a window would hold all keys of all sessions of a role at once.
    """
    role = ["account_id", "role_name"]
    ids = (
        identities.where("role_name is not null")
        .groupBy(*role)
        .agg(F.min("role_id").alias("lowest"), F.max("role_id").alias("highest"))
    )
    agreed = ids.where("lowest = highest").select(*role, F.col("lowest").alias("agreed"))
    return identities.join(F.broadcast(agreed), on=role, how="left").withColumn(
        "role_id", F.coalesce("role_id", "agreed", "role_name", F.lit("(unknown role)"))
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


def _by_credentials(*, accept_name_proof: bool) -> Column:
    """Kind of a session with a key as its proof: by who was issued it, or else its name."""
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
    issued = credentials.where(F.col("issued_for").isin(EC2, *others))
    known = (
        issued.select(F.col("session_name").alias("instance_id"))
        .union(resolved.where(is_own).select("instance_id"))
        .distinct()
        .withColumn("is_known", F.lit(True))
    )
    return resolved.join(known, on="instance_id", how="left").where(is_own | F.col("is_known"))


def _fullest(resolved: DataFrame) -> DataFrame:
    """Let all identities of a session tell the same ARN and instance: the fullest they know."""
    arn, instance = F.col("role_arn"), F.col("instance_id")
    fullest = (
        resolved.groupBy("session_id", "role_arn", "instance_id")
        .agg(F.max((F.col("proof") == PROOF_IN_SCOPE).cast("int")).alias("named_by_aws"))
        .groupBy("session_id")
        .agg(
            F.max_by(arn, F.struct(F.length(arn), arn)).alias("role_arn"),
            F.max_by(instance, F.struct("named_by_aws", instance)).alias("instance_id"),
        )
    )
    return resolved.drop("role_arn", "instance_id").join(fullest, on="session_id", how="inner")


def _session_id() -> Column:
    own = F.concat_ws("/", "account_id", "role_id", "session_name")
    kind = F.col("session_kind")
    return F.when(kind.isin(*BORROWED), F.concat(own, F.lit("@"), kind)).otherwise(own)
