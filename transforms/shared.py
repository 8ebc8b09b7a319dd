"""What many births say together: endpoints of ours, egress, addresses that others hold.

Method, sections 5 (stratum 4) and 6. Every count is of distinct *other* instances: what an
instance shows of itself never corroborates it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.ip import network56
from transforms.stays import STAY, minutes
from transforms.workloads import CONTAINERS


@dataclass(frozen=True)
class SharedNumbers:
    """Numbers of shared facts, from the settings.

    Attributes:
        n: distinct other instances that make a shared fact.
        share: share of one account's instances, where the account is the measure.
        bucket_hours: an address is somebody's in the same or the next bucket.
        grace_minutes: how long the former address may still be seen after a move.
    """

    n: int
    share: float
    bucket_hours: int
    grace_minutes: int


def settled(births: DataFrame) -> DataFrame:
    """Births, with ``own_region`` of their session, and the ``network56`` of their source."""
    return births.withColumn("network56", network56(F.col("source_address")))


def with_egress(  # noqa: PLR0913, PLR0917 - what egress is told by
    rows: DataFrame,
    settled: DataFrame,
    nat: DataFrame,
    forwarders: DataFrame,
    held: DataFrame,
    numbers: SharedNumbers,
) -> DataFrame:
    """Presences with what the fleet and the ledger say of their source.

    Adds ``endpoint_assumed`` (``n`` others and ``share`` of the account's instances were born
    behind it), ``endpoint_ours``, and ``egress``.

    Args:
        rows: rows of :func:`with_others`, with ``endpoint_owner`` and ``owner_is_ours``.
        settled: rows of :func:`settled`.
        nat: rows of :func:`transforms.ledger.nat_addresses`.
        forwarders: rows of :func:`transforms.ledger.forwarders`.
        held: rows of :func:`transforms.ledger.holdings`.
        numbers: the numbers.
    """
    n, enough = numbers.n, _enough(numbers)
    ours = F.coalesce("owner_is_ours", F.lit(False))
    by_ledger = _ledger_egress(settled, nat, forwarders, held)
    return (
        rows.withColumn("owner_is_ours", ours)
        .withColumn("endpoint_assumed", ~ours & _is_assumed(numbers))
        .withColumn("endpoint_ours", ours | F.col("endpoint_assumed"))
        .join(F.broadcast(by_ledger), on=["source", "own_region"], how="left")
        .withColumn("egress", _egress(n, enough) | F.coalesce("ledger_egress", F.lit(False)))
        .drop("ledger_egress")
    )


def _enough(numbers: SharedNumbers) -> Column:
    """How many others make a shared fact where the account is the measure."""
    share = F.ceil(F.lit(numbers.share) * (F.col("others_in_account") + 1))
    return F.greatest(F.lit(numbers.n), share)


def _is_assumed(numbers: SharedNumbers) -> Column:
    """So many others were born behind an endpoint that it is taken for ours."""
    return F.col("vpc_endpoint_id").isNotNull() & (F.col("others_behind") >= _enough(numbers))


def speakers(
    settled: DataFrame, members: DataFrame, owners: DataFrame, numbers: SharedNumbers
) -> DataFrame:
    """The one birth that stands for an endpoint of others that is only assumed ours.

    One row per such endpoint, as session_id, source and first_seen, with ``speaks_for_endpoint``:
    the first birth behind it.

    Args:
        settled: rows of :func:`settled`.
        members: rows of :func:`members`.
        owners: rows of :func:`endpoint_owners`.
        numbers: the numbers.
    """
    first = Window.partitionBy("vpc_endpoint_id").orderBy("first_seen", "session_id", "source")
    foreign = owners.where(~F.col("owner_is_ours")).select("vpc_endpoint_id")
    behind = settled.join(F.broadcast(foreign), on="vpc_endpoint_id", how="left_semi")
    return (
        with_others(behind.withColumnRenamed("born_at", "first_seen"), members)
        .where(_is_assumed(numbers))
        .withColumn("place", F.row_number().over(first))
        .where("place = 1")
        .select(*STAY, F.lit(True).alias("speaks_for_endpoint"))
    )


def _ledger_egress(
    settled: DataFrame, nat: DataFrame, forwarders: DataFrame, held: DataFrame
) -> DataFrame:
    """Public sources that are egress by the ledger: ``source``, ``own_region``.

    Addresses of NAT gateways, and homes and Elastic addresses of instances that forward; where
    two instances of a role do, all of the role (one step).
    """
    public = settled.where("network in ('public_ipv4', 'public_ipv6')").where(
        F.col("aws") & (F.col("aws_region") == F.col("own_region"))
    )
    forwarding = public.join(F.broadcast(forwarders), on="instance_id", how="left_semi")
    roles = (
        forwarding.groupBy("account_id", "role_id")
        .agg(F.min("instance_id").alias("low"), F.max("instance_id").alias("high"))
        .where("low <> high")
        .select("account_id", "role_id")
    )
    alike = public.join(F.broadcast(roles), on=["account_id", "role_id"], how="left_semi")
    homes = forwarding.union(alike)
    elastic = (
        held.where("elastic and trusted")
        .join(homes.select("instance_id", "own_region").distinct(), on="instance_id", how="inner")
        .select(F.col("address").alias("source"), "own_region")
    )
    return (
        homes.select("source", "own_region")
        .union(elastic)
        .union(nat.select("source", F.col("nat_region").alias("own_region")))
        .distinct()
        .withColumn("ledger_egress", F.lit(True))
    )


def with_neighbours(rows: DataFrame, births: DataFrame, bucket_hours: int) -> DataFrame:
    """Add ``another_here``: another instance was born at the source, and is alive there then.

    Also ``neighbour``, which it is, and ``is_birth_home``: the instance itself was born there.

    Tasks and pods are at home where their instance is, and hold no address against it.

    Alive in the same or the next bucket: by the lowest and highest instance per source and
    bucket, never by a self-join. A source of the session's own birth is not another's. A birth
    outside AWS space is no instance's proof: a thief of two keys may be all that is seen of one.
    """
    born = births.select("instance_id", "source").distinct().withColumn("born_here", F.lit(1))
    known = rows.join(born, on=["instance_id", "source"], how="left")
    is_container = F.col("session_kind").isin(*CONTAINERS)
    hosts = (
        births.where(is_container)
        .select("session_id", "source_address")
        .distinct()
        .withColumn("on_its_host", F.lit(True))
    )
    known = known.join(hosts, on=["session_id", "source_address"], how="left")
    lives_here = F.expr("born_here = 1 and not egress and prefix is null")
    lived = known.where(lives_here & ~is_container).select(
        "instance_id",
        "source",
        _scope(),
        F.explode(_buckets("first_seen", "last_seen", bucket_hours)),
    )
    holders = lived.groupBy("source", "scope", F.col("col").alias("bucket")).agg(
        F.min("instance_id").alias("low"), F.max("instance_id").alias("high")
    )
    visits = known.where(
        "born_here is null and others_here > 0 and not egress and on_its_host is null"
    ).select(
        "session_id",
        "instance_id",
        "source",
        _scope(),
        "first_seen",
        F.explode(_buckets("first_seen", "last_seen", bucket_hours, around=1)).alias("bucket"),
    )
    met = (
        visits.join(holders, on=["source", "scope", "bucket"], how="inner")
        .groupBy(*STAY)
        .agg(F.min("low").alias("neighbour"))
    )
    return (
        known.join(met, on=[*STAY], how="left")
        .withColumn("another_here", F.col("neighbour").isNotNull())
        .withColumn("is_birth_home", F.col("born_here").isNotNull())
        .drop("born_here", "on_its_host")
    )


def _scope() -> Column:
    """Where a source is one place: a private address means nothing beyond its account."""
    is_private = F.col("source_kind") == "private"
    return F.when(is_private, F.col("account_id")).otherwise(F.lit("")).alias("scope")


def _buckets(first: str, last: str, hours: int, around: int = 0) -> Column:
    def number(time: str) -> Column:
        return F.floor(F.unix_seconds(time) / (hours * 3600)).cast("bigint")

    return F.sequence(number(first) - around, number(last) + around)


def moved_fleets(presences: DataFrame, numbers: SharedNumbers) -> DataFrame:
    """Sources to which a session came in one move with its fleet.

    One row per session_id and source, with ``moved_fleet``.

    N other sessions made the same move at one instant, half of those that were seen at the
    former source within a day of it among them, into AWS space of the own region. At that
    instant none had come yet, and for the grace of the move test alone did any of them still call
    from the former source: connections drain for minutes. A thief gains no more by it, as each
    of his victims must fall silent within minutes of his own first call, and for good.
    """
    move = ["account_id", "former", "source"]
    moving = moves(presences, numbers)
    instants = (
        moving.select(*move, F.col("left_at").alias("at"), F.lit(1).alias("step"))
        .union(moving.select(*move, F.col("first_seen") + F.expr("interval 1 second"), F.lit(-1)))
        .withColumn(
            "moving",
            F.sum("step").over(
                Window.partitionBy(*move)
                .orderBy("at")
                .rangeBetween(Window.unboundedPreceding, Window.currentRow)
            ),
        )
    )
    busiest = instants.groupBy(*move).agg(
        F.max(F.struct("moving", F.col("at").alias("instant"))).alias("most")
    )
    stayed = (
        busiest.select(*move, "most.*")
        .where(F.col("moving") > numbers.n)
        .join(
            presences.where("network = 'public_ipv4'").select(
                "account_id",
                F.col("source").alias("former"),
                "first_seen",
                "last_seen",
                "session_id",
            ),
            on=["account_id", "former"],
            how="inner",
        )
        .where(F.col("last_seen") >= F.col("instant") - F.expr("interval 1 day"))
        .where(F.col("first_seen") <= F.col("instant") + F.expr("interval 1 day"))
        .groupBy(*move, "moving", "instant")
        .agg(F.count_distinct("session_id").alias("of"))
        .where(F.col("moving") * 2 >= F.col("of"))
    )
    return (
        moving.join(F.broadcast(stayed), on=move, how="inner")
        .where("left_at <= instant and first_seen >= instant")
        .select("session_id", "source", F.lit(True).alias("moved_fleet"))
        .distinct()
    )


def moves(presences: DataFrame, numbers: SharedNumbers) -> DataFrame:
    """Moves from one public IPv4 source to the next, into AWS space of the own region.

    One row per session_id and source, with ``former``, ``left_at`` (when the former source was
    left, less the grace) and ``first_seen``.

    Args:
        presences: session, account, network, source, in_own_region, first_seen and last_seen.
        numbers: the numbers.
    """
    order = Window.partitionBy("session_id", "network").orderBy("first_seen", "source")
    grace = minutes(numbers.grace_minutes)
    return (
        presences.where("network = 'public_ipv4'")
        .groupBy("session_id", "account_id", "network", "source", "in_own_region")
        .agg(F.min("first_seen").alias("first_seen"), F.max("last_seen").alias("last_seen"))
        .withColumn("former", F.lag("source").over(order))
        .withColumn("former_left", F.lag("last_seen").over(order))
        .where(F.col("in_own_region") & (F.col("former_left") <= F.col("first_seen") + grace))
        .withColumn("left_at", F.col("former_left") - grace)
    )


def of_another() -> Column:
    """Another instance is at the source then, by birth or by the ledger, and it is no egress."""
    return (F.col("another_here") | F.col("holder").isNotNull()) & ~F.col("egress")


def own_endpoint() -> Column:
    """An endpoint of ours, at an address that nobody else is known to hold."""
    return F.col("endpoint_ours") & ~of_another()


def endpoint_owners(inventory: DataFrame, made: DataFrame, accounts: DataFrame) -> DataFrame:
    """VPC endpoints of known owner: vpc_endpoint_id, endpoint_owner, owner_is_ours.

    Args:
        inventory: rows of ``schemas.INVENTORY``: owners that calls name.
        made: rows of :func:`transforms.ledger.endpoints_made`: owners that the ledger knows.
        accounts: our accounts.
    """
    ours = accounts.select(
        F.col("account_id").alias("endpoint_owner"), F.lit(True).alias("owner_is_ours")
    )
    named = inventory.where("what = 'endpoint' and owner_account_id is not null").select(
        F.col("id").alias("vpc_endpoint_id"), F.col("owner_account_id").alias("endpoint_owner")
    )
    return (
        named.union(made.select("vpc_endpoint_id", "endpoint_owner"))
        .groupBy("vpc_endpoint_id")
        .agg(F.min("endpoint_owner").alias("endpoint_owner"))
        .join(F.broadcast(ours), on="endpoint_owner", how="left")
        .select(
            "vpc_endpoint_id",
            "endpoint_owner",
            F.coalesce("owner_is_ours", F.lit(False)).alias("owner_is_ours"),
        )
    )


def _egress(n: int, enough: Column) -> Column:
    """A public source that many share, so that it is no sign of one instance."""
    inside = F.col("aws") & (F.col("others_here_in_region") >= n)
    outside = F.col("prefix").isNotNull() & (F.col("others_in_prefix") >= enough)
    return F.coalesce(inside | outside, F.lit(False))


_PLACES: dict[str, tuple[str, ...]] = {
    "others_here": ("source",),
    "others_here_in_region": ("source", "own_region"),
    "others_in_prefix": ("prefix", "account_id"),
    "others_behind": ("vpc_endpoint_id", "account_id"),
    "others_in_account": ("account_id",),
    "peers": ("account_id", "role_id"),
    "v6_neighbours": ("network56",),
    "public_peers": ("account_id", "role_id"),
}
"""What is counted, and where: instances that were born at the same place."""


def members(settled: DataFrame) -> DataFrame:
    """Who was born where: ``instance_id``, ``contained`` (a task or pod), and ``at``.

    The last is the name and key of each of its places.

    All places stand in one column, so that they are counted at once: one exchange, not one each.
    Tasks and pods count only where no instance is: those on one instance share its address.

    Args:
        settled: rows of :func:`settled`.
    """
    everybody, at_place = Window.partitionBy("source"), Window.partitionBy("at")
    alone = (F.min("instance_id").over(everybody) == F.max("instance_id").over(everybody)) & (
        F.col("network") == "public_ipv4"
    )
    lonely = {"public_peers": F.col("alone")}
    return (
        settled.withColumn("alone", alone)
        .withColumn("contained", F.col("session_kind").isin(*CONTAINERS))
        .select("instance_id", "contained", F.explode(_places(lonely)).alias("at"))
        .distinct()
        .withColumn("only_contained", F.min("contained").over(at_place))
        .where(~F.col("contained") | F.col("only_contained"))
        .select("instance_id", "at", "contained")
    )


def with_others(presences: DataFrame, members: DataFrame) -> DataFrame:
    """Presences with how many distinct other instances were born at each of their places.

    Adds the names of ``_PLACES``; among them ``peers``, ``public_peers`` and ``v6_neighbours``:
    how many others of the role there are, have a public IPv4 home of their own, or were born in
    the same /56.

    Args:
        presences: rows of :func:`transforms.births.located`.
        members: rows of :func:`members`.
    """
    counts = members.groupBy("at").agg(F.count("instance_id").alias("born"))
    others = F.col("born") - F.coalesce("itself", F.lit(0))
    itself = members.select("at", "instance_id", F.lit(1).alias("itself"))
    found = (
        at_places(presences, *STAY, "instance_id")
        .join(counts, on="at", how="inner")
        .join(itself, on=["at", "instance_id"], how="left")
        .groupBy(*STAY)
        .agg(*[F.max(F.when(F.col("at.counted") == n, others)).alias(n) for n in _PLACES])
    )
    return presences.join(found, on=[*STAY], how="left").withColumns(
        {name: F.coalesce(name, F.lit(0)) for name in _PLACES}
    )


def at_places(rows: DataFrame, *columns: str) -> DataFrame:
    """Some columns of rows, and ``at``: one row for each place of :data:`_PLACES` that they have.

    Args:
        rows: source, source_address, prefix, vpc_endpoint_id, account_id, role_id, own_region.
        columns: those to keep.
    """
    known = rows.withColumn("network56", network56(F.col("source_address")))
    return known.select(*columns, F.explode(_places({})).alias("at"))


def _places(only_if: dict[str, Column]) -> Column:
    """Places of a row, as name and key; none where a part of it is unknown."""

    def place(name: str, columns: tuple[str, ...]) -> Column:
        known = only_if.get(name, F.lit(True))
        for column in columns:
            known = known & F.col(column).isNotNull()
        key = F.concat_ws("\n", *columns)
        return F.when(known, F.struct(F.lit(name).alias("counted"), key.alias("key")))

    return F.array_compact(F.array(*[place(n, columns) for n, columns in _PLACES.items()]))
