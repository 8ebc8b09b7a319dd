"""What the ledger proves: who held which address when, which moves it permits, who was stopped.

Method, sections 4 and 5 (stratum 3). Everything is a function of address changes, credentials and
a set of homes that is given; nothing here reads a verdict. Rows are few: an organisation changes
addresses far less often than it calls.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.addresses import (
    ALLOCATE,
    ASSOCIATE,
    ATTACH,
    DETACH,
    DISASSOCIATE,
    ENDPOINT,
    HOLD,
    NAT,
    RELEASE,
    ROUTE,
    START,
    STOP,
    TERMINATE,
    UNHOLD,
)
from transforms.ip import network28, network80
from transforms.stays import PUBLIC, STAY, hours, minutes

MAKER = ("made_by_account_id", "made_by_role_id", "made_by_session_name")
_ISSUER = ("issued_by_account_id", "issued_by_role_id", "issued_by_session_name")


@dataclass(frozen=True)
class LedgerNumbers:
    """Numbers of the ledger, from the settings."""

    skew_minutes: int
    permit_hours: int
    grace_minutes: int

    @property
    def skew(self) -> Column:
        """How far the clocks of two services may differ."""
        return minutes(self.skew_minutes)

    @property
    def permit(self) -> Column:
        """How long a permit waits for the address that it explains."""
        return hours(self.permit_hours)

    @property
    def grace(self) -> Column:
        """How long the former address may still be seen after a move."""
        return minutes(self.grace_minutes)


def with_trust(changes: DataFrame, credentials: DataFrame, homes: DataFrame) -> DataFrame:
    """Changes with ``trusted``, and ``maker_instance``: the workload session that made them.

    Trusted is what no workload had a hand in, or what a workload did from home: by its own
    session, or by one that it opened. A change made from anywhere else explains nothing.

    Args:
        changes: rows of ``schemas.ADDRESS_CHANGES``, each once.
        credentials: rows of ``schemas.CREDENTIALS``.
        homes: account_id, role_id, session_name and source of what counts as home.
    """
    at_home = homes.select(
        *[F.col(name).alias(maker) for name, maker in zip(_SESSION_KEY, MAKER, strict=True)],
        F.col("source").alias("made_from"),
        F.lit(True).alias("maker_home"),
    ).distinct()
    opened = (
        credentials.where("access_key_id is not null and issued_by_session_name is not null")
        .select(F.col("access_key_id").alias("made_with_key"), *_ISSUER)
        .distinct()
    )
    opener_home = at_home.select(
        *[F.col(maker).alias(issuer) for maker, issuer in zip(MAKER, _ISSUER, strict=True)],
        "made_from",
        F.lit(True).alias("opener_home"),
    )
    return (
        changes.join(at_home, on=[*MAKER, "made_from"], how="left")
        .join(opened, on="made_with_key", how="left")
        .join(opener_home, on=[*_ISSUER, "made_from"], how="left")
        .withColumn(
            "trusted",
            F.col("maker_home").isNotNull()
            | F.col("opener_home").isNotNull()
            | (F.col("made_by_session_name").isNull() & F.col("issued_by_session_name").isNull()),
        )
        .withColumn("maker_instance", F.coalesce("made_by_session_name", "issued_by_session_name"))
        .drop("maker_home", "opener_home", *_ISSUER)
    )


_SESSION_KEY = ("account_id", "role_id", "session_name")


def holdings(changes: DataFrame, associated: DataFrame, attached: DataFrame) -> DataFrame:
    """Who held an address or prefix from when to when.

    One row per ``instance_id``, ``address``, ``since`` and ``until`` (null: to the end), with
    ``elastic``, ``trusted`` and ``maker_instance``. An address is an instance's directly, or by
    an interface that is attached to it.

    Args:
        changes: rows of :func:`with_trust`.
        associated: rows of :func:`associations`.
        attached: rows of :func:`attachments`.
    """
    ends = changes.where(F.col("change") == TERMINATE).select(
        "instance_id", F.col("event_time").alias("ended")
    )
    held = (
        _on_instances(_given(changes, associated), attached)
        .where("address is not null")
        .drop("network_interface_id", "association_id")
    )
    return _until(held, ends, ["instance_id"]).distinct()


def _given(changes: DataFrame, associated: DataFrame) -> DataFrame:
    """Addresses that an instance or interface was given, each until it was taken away."""
    held = changes.where(F.col("change") == HOLD).withColumn("elastic", F.lit(False))
    start = F.col("event_time").alias("since")
    ended = F.col("event_time").alias("ended")
    plain = held.select(*_GIVEN, start).withColumn("until", F.lit(None).cast("timestamp"))
    gone = changes.where(F.col("change") == UNHOLD).select("network_interface_id", "address", ended)
    return associated.unionByName(_until(plain, gone, ["network_interface_id", "address"]))


def associations(changes: DataFrame) -> DataFrame:
    """Elastic addresses that were associated, each until it was taken away or given elsewhere.

    To an instance or to an interface; the address is null where no record names it.

    Args:
        changes: rows of :func:`with_trust`.
    """
    known = _with_allocated_address(changes)
    rows = (
        known.where(F.col("change") == ASSOCIATE)
        .withColumn("elastic", F.lit(True))
        .select(*_GIVEN, F.col("event_time").alias("since"))
        .withColumn("until", F.lit(None).cast("timestamp"))
    )
    ended = F.col("event_time").alias("ended")
    moved = known.where(F.col("change").isin(ASSOCIATE, DISASSOCIATE, RELEASE))
    rows = _until(rows, moved.where("address is not null").select("address", ended), ["address"])
    taken = changes.where(F.col("change") == DISASSOCIATE)
    return _until(rows, taken.select("association_id", ended), ["association_id"])


_GIVEN = (
    "instance_id",
    "account_id",
    "vpc_id",
    "network_interface_id",
    "association_id",
    "address",
    "elastic",
    "trusted",
    "maker_instance",
)


def _on_instances(given: DataFrame, attached: DataFrame) -> DataFrame:
    """What was given, as an instance has it: directly, or by an interface while it is attached."""
    direct = given.where("instance_id is not null")
    by_interface = (
        given.where("instance_id is null and network_interface_id is not null")
        .drop("instance_id")
        .join(attached, on="network_interface_id", how="inner")
        .withColumn("since", F.greatest("since", "attached"))
        .withColumn("until", F.least("until", "detached"))
        .withColumn("trusted", F.col("trusted") & F.col("attach_trusted"))
        .where("until is null or until > since")
    )
    names = (*_GIVEN, "since", "until")
    return direct.select(*names).union(by_interface.select(*names))


def _until(rows: DataFrame, ends: DataFrame, on: list[str]) -> DataFrame:
    """Let each interval end at the first ``ended`` after its start, if that is sooner."""
    keys = ends.dropna(subset=on).groupBy(*on).agg(F.collect_set("ended").alias("ends"))
    first = F.array_min(F.filter("ends", lambda end: end > F.col("since")))
    return (
        rows.join(keys, on=on, how="left").withColumn("until", F.least("until", first)).drop("ends")
    )


def attachments(changes: DataFrame) -> DataFrame:
    """Which instance an interface is attached to: from ``attached`` to ``detached``.

    Args:
        changes: rows of :func:`with_trust`.
    """
    attach = changes.where(F.col("change") == ATTACH)
    rows = attach.select(
        "network_interface_id",
        "instance_id",
        "association_id",
        F.col("trusted").alias("attach_trusted"),
        F.col("event_time").alias("since"),
        F.lit(None).cast("timestamp").alias("until"),
    )
    ended = F.col("event_time").alias("ended")
    detach = changes.where(F.col("change") == DETACH).select("association_id", ended)
    rows = _until(rows, detach, ["association_id"])
    rows = _until(rows, attach.select("network_interface_id", ended), ["network_interface_id"])
    return rows.select(
        "network_interface_id",
        "instance_id",
        "attach_trusted",
        F.col("since").alias("attached"),
        F.col("until").alias("detached"),
    )


def _with_allocated_address(changes: DataFrame) -> DataFrame:
    """Fill in the address of an allocation, which AllocateAddress alone tells."""
    allocated = (
        changes.where((F.col("change") == ALLOCATE) & F.col("address").isNotNull())
        .groupBy("allocation_id")
        .agg(F.min("address").alias("allocated"))
    )
    return (
        changes.join(allocated, on="allocation_id", how="left")
        .withColumn("address", F.coalesce("address", "allocated"))
        .drop("allocated")
    )


def permits(changes: DataFrame, associated: DataFrame, attached: DataFrame) -> DataFrame:
    """Changes that give an instance one public IPv4 address that no record names.

    One row per ``instance_id``, ``permitted_at`` and ``by_start``: an association or the end of
    one, or a start. Interfaces, private addresses and launches permit nothing.

    Args:
        changes: rows of :func:`with_trust`.
        associated: rows of :func:`associations`.
        attached: rows of :func:`attachments`.
    """
    on_instances = _on_instances(associated, attached)
    row = ("instance_id", "permitted_at", "by_start", "trusted", "maker_instance")
    unknown = on_instances.where("address is null").withColumn("permitted_at", F.col("since"))
    had = on_instances.where("until is not null").select(
        "instance_id", "association_id", "address", F.col("until").alias("permitted_at")
    )
    ended = _with_allocated_address(changes).where(F.col("change") == DISASSOCIATE)
    end = ended.withColumnRenamed("event_time", "permitted_at").drop("instance_id")
    by_id = end.drop("address").join(
        had.drop("address"), on=["association_id", "permitted_at"], how="inner"
    )
    by_address = (
        end.where("association_id is null")
        .drop("association_id")
        .join(had.drop("association_id"), on=["address", "permitted_at"], how="inner")
    )
    started = changes.where(F.col("change") == START).withColumnRenamed(
        "event_time", "permitted_at"
    )
    moves = [rows.withColumn("by_start", F.lit(False)) for rows in (unknown, by_id, by_address)]
    given = [rows.select(*row) for rows in (*moves, started.withColumn("by_start", F.lit(True)))]
    return reduce(DataFrame.union, given).where("instance_id is not null").distinct()


def nat_addresses(changes: DataFrame, accounts: DataFrame) -> DataFrame:
    """Public addresses of NAT gateways of our accounts: ``source``, ``nat_region``."""
    return (
        _with_allocated_address(changes)
        .where((F.col("change") == NAT) & F.col("address").isNotNull() & F.col("trusted"))
        .join(F.broadcast(accounts), on="account_id", how="left_semi")
        .select(F.col("address").alias("source"), F.col("aws_region").alias("nat_region"))
        .distinct()
    )


def endpoints_made(changes: DataFrame) -> DataFrame:
    """VPC endpoints that were made in the trail: ``vpc_endpoint_id``, ``endpoint_owner``."""
    return (
        changes.where((F.col("change") == ENDPOINT) & F.col("vpc_endpoint_id").isNotNull())
        .select("vpc_endpoint_id", F.col("account_id").alias("endpoint_owner"))
        .distinct()
    )


def forwarders(changes: DataFrame, attached: DataFrame) -> DataFrame:
    """Instances that forward for others: a default route leads to them, or the check is off."""
    routed = changes.where((F.col("change") == ROUTE) & F.col("trusted"))
    by_interface = (
        routed.where("instance_id is null")
        .select("network_interface_id", "event_time")
        .join(attached, on="network_interface_id", how="inner")
        .where("attach_trusted and (detached is null or detached > event_time)")
    )
    return (
        routed.where("instance_id is not null")
        .select("instance_id")
        .union(by_interface.select("instance_id"))
        .distinct()
    )


def outages(changes: DataFrame, lives: DataFrame, sessions: DataFrame) -> DataFrame:
    """When an instance could not call: ``session_id``, ``down_since``, ``down_until``.

    From a stop or termination to the next sign of a start, which is StartInstances or a key that
    EC2 issues.

    Args:
        changes: address changes, trusted or not: what succeeded has happened.
        lives: session_id and alive_at of EC2's AssumeRole calls.
        sessions: session_id and instance_id of instances.
    """
    starts = (
        changes.where(F.col("change") == START)
        .select("instance_id", F.col("event_time").alias("ended"))
        .join(sessions, on="instance_id", how="inner")
        .select("session_id", "ended")
        .union(lives.select("session_id", "alive_at"))
    )
    stops = (
        changes.where(F.col("change").isin(STOP, TERMINATE))
        .select("instance_id", F.col("event_time").alias("since"))
        .join(sessions, on="instance_id", how="inner")
        .select("session_id", "since", F.lit(None).cast("timestamp").alias("until"))
    )
    return (
        _until(stops, starts, ["session_id"])
        .groupBy("session_id", F.col("until").alias("down_until"))
        .agg(F.min("since").alias("down_since"))
    )


def not_running(presences: DataFrame, outages: DataFrame, grace_minutes: int) -> DataFrame:
    """Stays whose first or last call was made while the instance was down.

    One row per session_id, source and first_seen, with ``down_since``.
    """
    since, until = F.col("down_since") + minutes(grace_minutes), F.col("down_until")
    down = F.greatest(
        *[
            (F.col(time) > since) & (until.isNull() | (F.col(time) < until))
            for time in ("first_seen", "last_seen")
        ]
    )
    return (
        presences.join(F.broadcast(outages), on="session_id", how="inner")
        .where(down)
        .groupBy(*STAY)
        .agg(F.max("down_since").alias("down_since"))
    )


def elastic_ends(held: DataFrame) -> DataFrame:
    """Until when an instance keeps an Elastic address: instance_id, source, elastic_until."""
    forever = F.lit("9999-12-31").cast("timestamp")
    return (
        held.where("elastic")
        .groupBy("instance_id", F.col("address").alias("source"))
        .agg(F.max(F.coalesce("until", forever)).alias("elastic_until"))
    )


def sources(presences: DataFrame) -> DataFrame:
    """One row per session and source: when it ``appeared`` and ``left``."""
    return presences.groupBy(
        "session_id", "instance_id", "source", "source_address", "network", "in_own_region"
    ).agg(F.min("first_seen").alias("appeared"), F.max("last_seen").alias("left"))


def explained(  # noqa: PLR0913, PLR0917 - all that an explanation rests on
    presences: DataFrame,
    seen_at: DataFrame,
    held: DataFrame,
    permitted: DataFrame,
    homes: DataFrame,
    n: LedgerNumbers,
) -> DataFrame:
    """What trusted changes explain: one row per stay of a session at a source that they do.

    Columns: session_id, source, first_seen; ``exact`` (the ledger gives the instance this address
    at the first and last call), ``permitted`` and ``permit_by_start``, ``self_made`` (the session
    itself made the change).

    Args:
        presences: rows of :func:`transforms.births.located` with ``owner_is_ours``: behind an
            endpoint of others a private address proves nothing.
        seen_at: rows of :func:`sources`.
        held: rows of :func:`holdings`.
        permitted: rows of :func:`permits`.
        homes: session_id and source of what counts as home: the move test is against them.
        n: the numbers.
    """
    ours = presences.where("source_kind <> 'endpoint' or owner_is_ours")
    by_exact = _exact(ours, held.where("trusted"), n).select(
        *STAY, F.lit(True).alias("exact"), "exact_self"
    )
    by_permit = _by_permit(seen_at, held, permitted.where("trusted"), homes, n)
    own = F.coalesce("exact_self", "permit_self", F.lit(False))
    is_public = F.col("source_kind") == "public_ipv4"
    return (
        presences.select(*STAY, "source_kind")
        .join(by_exact, on=[*STAY], how="left")
        .join(by_permit, on=["session_id", "source"], how="left")
        .where("exact or permitted")
        .select(
            *STAY,
            F.coalesce(F.col("exact") & ~(own & is_public), F.lit(False)).alias("exact"),
            F.coalesce(F.col("permitted") & ~own, F.lit(False)).alias("permitted"),
            "permit_by_start",
            (own & is_public).alias("self_made"),
        )
    )


def held_elsewhere(presences: DataFrame, held: DataFrame, n: LedgerNumbers) -> DataFrame:
    """Stays at an address that the ledger gives to another instance then.

    One row per session_id, source and first_seen; ``holder`` is the other instance. A private
    address is the same one only in the same account, and in the same VPC where both are known;
    where a session was born it is its own, as other VPCs may have the like.
    """
    holder = held.select(
        F.col("instance_id").alias("holder"),
        "address",
        F.col("account_id").alias("holder_account"),
        F.col("vpc_id").alias("holder_vpc"),
        "since",
        "until",
    )
    vpcs = held.groupBy("instance_id").agg(F.collect_set("vpc_id").alias("vpcs"))
    is_public = F.col("source_kind").isin(*PUBLIC)
    same_network = (F.col("account_id") == F.col("holder_account")) & (
        F.col("holder_vpc").isNull()
        | (F.size(F.coalesce("vpcs", F.array().cast("array<string>"))) == 0)
        | F.array_contains("vpcs", F.col("holder_vpc"))
    )
    known = presences.join(F.broadcast(vpcs), on="instance_id", how="left")
    return (
        known.join(
            F.broadcast(holder),
            on=(F.col("source_address") == F.col("address"))
            & (F.col("instance_id") != F.col("holder"))
            & (is_public | (same_network & ~F.col("is_birth_home")))
            & (
                _inside("first_seen", F.col("since") + n.skew, F.col("until") - n.skew)
                | _inside("last_seen", F.col("since") + n.skew, F.col("until") - n.skew)
            ),
            how="inner",
        )
        .groupBy(*STAY)
        .agg(F.min("holder").alias("holder"))
    )


def _inside(time: str, since: Column, until: Column) -> Column:
    return (F.col(time) >= since) & (until.isNull() | (F.col(time) <= until))


def _exact(presences: DataFrame, held: DataFrame, n: LedgerNumbers) -> DataFrame:
    address = F.col("source_address")
    mine = presences.join(
        F.broadcast(held.select("instance_id").distinct()), on="instance_id", how="left_semi"
    ).withColumn(
        "address",
        F.explode(F.array_compact(F.array(address, network28(address), network80(address)))),
    )
    since, until = F.col("since") - n.skew, F.col("until") + n.skew
    own = F.col("maker_instance") == F.col("instance_id")
    return (
        mine.join(held, on=["instance_id", "address"], how="inner")
        .withColumn("at_first", _inside("first_seen", since, until))
        .withColumn("at_last", _inside("last_seen", since, until))
        .where("at_first or at_last")
        .groupBy(*STAY)
        .agg(
            F.max("at_first").alias("at_first"),
            F.max("at_last").alias("at_last"),
            F.min(F.coalesce(own, F.lit(False))).alias("exact_self"),
        )
        .where("at_first and at_last")
    )


def _by_permit(
    seen_at: DataFrame, held: DataFrame, permitted: DataFrame, homes: DataFrame, n: LedgerNumbers
) -> DataFrame:
    """Sources that a permit explains: session_id, source, permitted, permit_self.

    A permit explains one address, and an address needs one permit.
    """
    new = seen_at.where("network = 'public_ipv4' and in_own_region")
    waiting = _inside("appeared", F.col("permitted_at") - n.skew, F.col("permitted_at") + n.permit)
    pairs = new.join(F.broadcast(permitted), on="instance_id", how="inner").where(waiting)
    of_permit = Window.partitionBy("session_id", "permitted_at", "by_start").orderBy(
        "appeared", "source"
    )
    of_source = Window.partitionBy("session_id", "source").orderBy(
        F.desc("permitted_at"), "by_start"
    )
    matched = (
        pairs.withColumn("nth_source", F.row_number().over(of_permit))
        .withColumn("nth_permit", F.row_number().over(of_source))
        .where("nth_source = 1 and nth_permit = 1")
        .drop("nth_source", "nth_permit")
    )
    moved = _passes_move_test(matched, seen_at, held, permitted, homes, n)
    own = F.coalesce(F.col("maker_instance") == F.col("instance_id"), F.lit(False))
    return moved.select(
        "session_id",
        "source",
        F.lit(True).alias("permitted"),
        own.alias("permit_self"),
        F.col("by_start").alias("permit_by_start"),
    )


def _passes_move_test(  # noqa: PLR0913, PLR0917 - what a move is judged by
    matched: DataFrame,
    seen_at: DataFrame,
    held: DataFrame,
    permitted: DataFrame,
    homes: DataFrame,
    n: LedgerNumbers,
) -> DataFrame:
    """Leave out what is no move: the former home goes on, and nothing gave it back.

    A start moves nothing where there was no public home, or while it is an Elastic address that is
    still associated. Only what can have given the former address back counts as such a change.
    """
    former = (
        seen_at.where("network = 'public_ipv4'")
        .join(
            homes.select("session_id", "source").distinct(),
            on=["session_id", "source"],
            how="inner",
        )
        .select(
            "session_id",
            F.col("source").alias("former"),
            F.col("appeared").alias("former_appeared"),
            F.col("left").alias("former_left"),
        )
    )
    latest = F.max(F.struct("former_appeared", "former", "former_left"))
    key = [*matched.columns]
    before = (F.col("f.session_id") == F.col("m.session_id")) & (
        F.col("f.former_appeared") < F.col("m.appeared")
    )
    with_former = (
        matched.alias("m")
        .join(former.alias("f"), on=before, how="left")
        .groupBy(*[F.col(f"m.{name}") for name in key])
        .agg(latest.alias("was"))
    )
    back = (
        permitted.where("not by_start")
        .select(
            "instance_id",
            F.lit(None).cast("string").alias("gave"),
            F.col("permitted_at").alias("back_at"),
        )
        .union(held.where("trusted and elastic").select("instance_id", "address", "since"))
    )
    returns = back.groupBy("instance_id").agg(
        F.collect_set(F.struct("gave", "back_at")).alias("returns")
    )
    kept = held.where("elastic").select(
        F.col("instance_id"),
        F.col("address").alias("former"),
        F.col("since").alias("kept_since"),
        F.col("until").alias("kept_until"),
    )
    still = kept.groupBy("instance_id", "former").agg(
        F.collect_list(F.struct("kept_since", "kept_until")).alias("kept")
    )
    is_kept = F.exists(
        F.coalesce("kept", F.array()),
        lambda k: (
            (k["kept_since"] <= F.col("appeared"))
            & (k["kept_until"].isNull() | (k["kept_until"] > F.col("appeared")))
        ),
    )
    was = F.col("was")
    gave_back = F.exists(
        F.coalesce("returns", F.array()),
        lambda r: (
            (r["gave"].isNull() | (r["gave"] == was["former"]))
            & (r["back_at"] > F.col("appeared"))
            & (r["back_at"] <= was["former_left"])
        ),
    )
    gone = was["former"].isNull() | (was["former_left"] <= F.col("appeared") + n.grace) | gave_back
    return (
        with_former.withColumn("former", was["former"])
        .join(returns, on="instance_id", how="left")
        .join(still, on=["instance_id", "former"], how="left")
        .where(gone & ~(F.col("by_start") & (is_kept | was["former"].isNull())))
    )
