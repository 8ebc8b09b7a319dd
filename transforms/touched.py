"""Which sessions new data can touch: those that it names, and those that share what it changes.

A verdict is a function of a session's own stays and of what others say: how many were born at its
places, what clients of its role look like, who else lives at its source, how its fleet moves, and
what the ledger says of its addresses (method, section 5). Each function here takes one of these,
as it was before and as it is now, and names the sessions for which it differs. They may name too
many, never too few; judging in full is the oracle of their tests.

All work on names of sessions: what bears one name is judged together, as one settles who the
others are (method, section 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.addresses import ALLOCATE, ASSOCIATE, DISASSOCIATE, NAT, RELEASE, ROUTE
from transforms.ip import network28, network80
from transforms.places import births_at, clients_at, unknown_private
from transforms.sessions import IDENTITY
from transforms.shared import SharedNumbers, at_places, members, moves, settled, speakers
from transforms.signals import usual_clients
from transforms.stays import PUBLIC

NAME = "session_name"


@dataclass(frozen=True)
class Change:
    """Places before and after new data.

    Attributes:
        before: rows of ``schemas.PLACES`` of the sessions that new data names, as they were.
        now: the same, as they are.
        rest: those of all other sessions.
    """

    before: DataFrame
    now: DataFrame
    rest: DataFrame

    @property
    def all_before(self) -> DataFrame:
        """Places of all sessions, as they were."""
        return self.before.unionByName(self.rest)

    @property
    def ever(self) -> DataFrame:
        """Places of all sessions, as they were and as they are."""
        return self.before.unionByName(self.all_now)

    @property
    def all_now(self) -> DataFrame:
        """Places of all sessions, as they are."""
        return self.now.unionByName(self.rest)


def names_of(rows: DataFrame) -> DataFrame:
    """Names of sessions, each once."""
    return rows.select(NAME).distinct()


def named_otherwise(fresh: DataFrame, stays: DataFrame) -> DataFrame:
    """Sessions of which new records tell another role or instance than their stays do.

    Args:
        fresh: rows of :func:`transforms.sessions.identities` of new records.
        stays: rows of ``schemas.STAYS``.
    """
    told = [name for name in IDENTITY if name != "proof"]
    known = fresh.join(names_of(stays), on=NAME, how="left_semi")
    return names_of(known.select(*told).subtract(stays.select(*told)))


def states(places: DataFrame, numbers: SharedNumbers) -> DataFrame:
    """What numbers of births mean to a reader, one row per place (``at``): ``state``.

    Whether there is another, whether there are N others, and whether these are the share of the
    account, each for a reader who was born there himself and for one who was not.
    """
    born = (
        members(settled(births_at(places)))
        .groupBy("at")
        .agg(
            F.count("instance_id").alias("n"),
            F.count_if(F.col("contained")).alias("in_containers"),
        )
    )
    in_account = born.where(F.col("at.counted") == "others_in_account").select(
        F.col("at.key").alias("account"), F.col("n").alias("in_account")
    )
    n, count, of = numbers.n, F.col("n"), F.coalesce("in_account", F.lit(0))
    shares = [
        count - there >= F.greatest(F.lit(n), F.ceil(F.lit(numbers.share) * (of - here + 1)))
        for there, here in ((0, 0), (0, 1), (1, 1), (1, 0))
    ]
    # Tasks count only where no instance is: whether they do decides who is "another" to them.
    contained = F.col("in_containers") > 0
    state = F.array(count > 0, count > 1, count >= n, count > n, *shares, contained)
    return (
        born.where(F.col("at.counted") != "others_in_account")
        .withColumn("account", F.substring_index("at.key", "\n", -1))
        .join(F.broadcast(in_account), on="account", how="left")
        .select("at", state.alias("state"))
    )


_NOBODY = 9
"""Length of a state."""


def by_births(change: Change, before: DataFrame, now: DataFrame) -> DataFrame:
    """Sessions at places where numbers of births have come to mean something else.

    Args:
        change: the places.
        before: rows of :func:`states`.
        now: the same, as they are.
    """
    none = F.array_repeat(F.lit(False), _NOBODY)
    changed = (
        before.withColumnRenamed("state", "former")
        .join(now, on="at", how="full_outer")
        .where(F.coalesce("former", none) != F.coalesce("state", none))
        .select("at")
    )
    is_public = F.col("source_kind").isin(*PUBLIC)
    counted = F.col("at.counted")
    minds = (
        F.when(counted == "others_here", is_public | F.col("born_at").isNull())
        .when(counted.isin("peers", "public_peers"), F.col("wanders"))
        .otherwise(F.lit(True))
    )
    wanders = _wandering(change.rest).withColumn("wanders", F.lit(True))
    readers = change.rest.join(wanders, on="session_id", how="left").withColumn(
        "wanders", F.coalesce("wanders", F.lit(False))
    )
    at = at_places(readers, NAME, "source_kind", "born_at", "wanders")
    return names_of(at.join(F.broadcast(changed), on="at", how="left_semi").where(minds))


def _wandering(places: DataFrame) -> DataFrame:
    """Sessions that have more than the home they were born at first: one row each.

    All that a comparison with the role can touch.
    """
    counts = places.groupBy("session_id").agg(
        F.count("source").alias("places"), F.count("born_at").alias("births")
    )
    return counts.where("places > 1 or births = 0").select("session_id")


def by_clients(change: Change) -> DataFrame:
    """Sessions of roles whose homes show other clients than before."""
    told = ("session_id", "role_id", "account_id", "source", "born_at", "clients")
    role = ["account_id", "role_id"]
    was, is_now = [
        p.where("born_at is not null").select(*told) for p in (change.before, change.now)
    ]
    roles = was.exceptAll(is_now).union(is_now.exceptAll(was)).select(*role).distinct()

    def usual(places: DataFrame) -> DataFrame:
        of_roles = places.join(F.broadcast(roles), on=role, how="left_semi")
        return usual_clients(clients_at(of_roles), births_at(of_roles))

    former, present = usual(change.all_before), usual(change.all_now)
    changed = differing(former, present).select(*role).distinct()
    wandering = change.rest.join(_wandering(change.rest), on="session_id", how="left_semi")
    return names_of(wandering.join(F.broadcast(changed), on=role, how="left_semi"))


def by_neighbours(change: Change, now: DataFrame, n_here: DataFrame) -> DataFrame:
    """Sessions that visit a source where a session was born of which there is news.

    Args:
        change: the places.
        now: rows of :func:`states`.
        n_here: births of the sessions that new data names, before and now.
    """
    homes = n_here.select("source", _scope(), F.col("instance_id").alias("resident")).distinct()
    return names_of(
        _visits(change.rest, now).join(F.broadcast(homes), on=["source", "scope"], how="inner")
    )


def residents(visitors: DataFrame, rest: DataFrame, now: DataFrame) -> DataFrame:
    """Sessions that were born at sources which others visit: whether they live there then counts.

    Args:
        visitors: places of the sessions that are judged.
        rest: places of all others.
        now: rows of :func:`states`.
    """
    visited = _visits(visitors, now).select("source", "scope").distinct()
    born = rest.where("born_at is not null").withColumn("scope", _scope())
    return names_of(born.join(F.broadcast(visited), on=["source", "scope"], how="left_semi"))


def _visits(places: DataFrame, states: DataFrame) -> DataFrame:
    """Places where a session was not born, but for egresses by count: these say nothing."""
    away = places.where("born_at is null").withColumn("scope", _scope())
    key = ["session_id", "source"]
    state = F.col("state")
    is_egress = F.when(
        F.col("at.counted") == "others_here_in_region", F.col("aws") & state[2]
    ).when(F.col("at.counted") == "others_in_prefix", state[4] & state[5])
    egress = (
        at_places(away, *key, "aws")
        .join(states, on="at", how="inner")
        .where(is_egress)
        .select(*key)
    )
    return away.join(egress, on=key, how="left_anti")


def _scope() -> Column:
    is_private = F.col("source_kind") == "private"
    return F.when(is_private, F.col("account_id")).otherwise(F.lit("")).alias("scope")


_MOVE = ("account_id", "former", "source")


def by_moves(
    change: Change, stays: tuple[DataFrame, DataFrame], news: DataFrame, numbers: SharedNumbers
) -> DataFrame:
    """Sessions that may have moved with those that new data names.

    Args:
        change: the places.
        stays: direct stays of the sessions that new data names, before and now.
        news: their sightings that are new.
        numbers: the numbers.
    """
    was, is_now = [
        moves(_with_region(rows, places), numbers).select(
            *_MOVE, "session_id", "left_at", "first_seen"
        )
        for rows, places in zip(stays, (change.before, change.now), strict=True)
    ]
    keys = differing(was, is_now).select(*_MOVE).distinct()
    together = _possible_moves(change.rest).join(F.broadcast(keys), on=[*_MOVE], how="left_semi")
    gone = stays[0].join(stays[1].select("session_id"), on="session_id", how="left_anti")
    seen = ("account_id", "source", "source_kind", "kind", "first_seen")
    recent = (
        news.select(*seen)
        .union(gone.select(*seen))
        .where("source_kind = 'public_ipv4' and kind = 'direct'")
        .groupBy("account_id", "source")
        .agg((F.min("first_seen") - F.expr("interval 1 day")).alias("since"))
    )
    at_same = _possible_moves(change.rest).join(
        F.broadcast(recent.withColumnRenamed("source", "former")),
        on=["account_id", "former"],
        how="inner",
    )
    return names_of(together.select(NAME).union(at_same.where("came_at >= since").select(NAME)))


def _with_region(stays: DataFrame, places: DataFrame) -> DataFrame:
    known = places.select("session_id", "source", "network", "in_own_region")
    return stays.join(known, on=["session_id", "source"], how="inner")


def _possible_moves(places: DataFrame) -> DataFrame:
    """From each public IPv4 source of a session to each later one: ``former``, ``source``."""
    public = places.where("network = 'public_ipv4'")
    wandering = public.join(_wandering(public), on="session_id", how="left_semi")
    left = wandering.select("session_id", F.col("source").alias("former"), "first_seen")
    came = wandering.withColumnRenamed("first_seen", "came_at")
    return (
        came.join(left, on="session_id", how="inner")
        .where("former <> source and first_seen <= came_at")
        .select("session_id", NAME, *_MOVE, "came_at")
    )


def fleets(judged: DataFrame, rest: DataFrame, n: int) -> DataFrame:
    """Sessions that show whether others moved with their fleet.

    Those that may have made the same move, where they are enough, and those at the former source.

    Args:
        judged: places of the sessions that are judged.
        rest: places of all others.
        n: more than so many make a fleet.
    """
    mine = _possible_moves(judged).select(*_MOVE).distinct()
    alike = _possible_moves(rest).join(F.broadcast(mine), on=[*_MOVE], how="left_semi")
    both = alike.select("session_id", *_MOVE).union(
        _possible_moves(judged).select("session_id", *_MOVE)
    )
    enough = (
        both.distinct()
        .groupBy(*_MOVE)
        .agg(F.count("session_id").alias("sessions"))
        .where(F.col("sessions") > n)
    )
    former = enough.select("account_id", F.col("former").alias("source"))
    came = enough.select("account_id", "source")
    sources = former.union(came).distinct()
    at_source = rest.join(F.broadcast(sources), on=["account_id", "source"], how="left_semi")
    return names_of(at_source)


def by_speakers(change: Change, owners: DataFrame, numbers: SharedNumbers) -> DataFrame:
    """Sessions that speak for an endpoint, or no longer do."""

    def speaking(places: DataFrame) -> DataFrame:
        born = settled(births_at(places))
        found = speakers(born, members(born), owners, numbers)
        speaker = places.join(found, on=["session_id", "source"], how="left_semi")
        return speaker.select(NAME, "session_id", "source")

    return names_of(differing(speaking(change.all_before), speaking(change.all_now)))


def by_private(change: Change, n: int) -> DataFrame:
    """Sessions at private addresses in accounts where others now show the like, or no longer."""

    def counts(places: DataFrame) -> DataFrame:
        return (
            unknown_private(places)
            .groupBy("account_id")
            .agg(F.count("instance_id").alias("n"))
            .select("account_id", (F.col("n") >= n).alias("many"), (F.col("n") > n).alias("more"))
        )

    was, is_now = counts(change.all_before), counts(change.all_now)
    changed = differing(was, is_now).select("account_id").distinct()
    private = change.rest.where("source_kind = 'private'")
    return names_of(private.join(F.broadcast(changed), on="account_id", how="left_semi"))


_SHARED_ADDRESS = (ASSOCIATE, ALLOCATE, DISASSOCIATE, RELEASE, NAT)
"""Changes that concern an address whoever has it; a private one is its interface's alone."""

_KEYS = ("instance_id", "network_interface_id", "allocation_id", "association_id")


def _keys_of(*, all_addresses: bool = False) -> Column:
    """What a change is about: kind and id."""
    shared = F.lit(all_addresses) | F.col("change").isin(*_SHARED_ADDRESS)
    told = {name: F.col(name).isNotNull() for name in _KEYS}
    told["address"] = F.col("address").isNotNull() & shared
    return F.array_compact(
        F.array(*[F.when(is_told, _key(name, F.col(name))) for name, is_told in told.items()])
    )


def keys_of(changes: DataFrame, *, all_addresses: bool = False) -> DataFrame:
    """What changes are about, each once: ``key``, a kind and an id.

    Args:
        changes: rows of ``schemas.ADDRESS_CHANGES``.
        all_addresses: private ones, too.
    """
    keys = _keys_of(all_addresses=all_addresses)
    return changes.select(F.explode(keys).alias("key")).distinct()


def keys_at(places: DataFrame) -> DataFrame:
    """What places are about: instances, their addresses, and the prefixes that hold these."""
    return places.select(F.explode(_place_keys(F.lit(True))).alias("key")).distinct()


def _place_keys(with_address: Column) -> Column:
    address, none = F.col("source_address"), F.array().cast("array<string>")
    texts = F.array_compact(F.array(address, network28(address), network80(address)))
    addresses = F.transform(
        F.when(with_address, texts).otherwise(none), lambda text: _key("address", text)
    )
    return F.concat(F.array(_key("instance_id", F.col("instance_id"))), addresses)


def _key(what: str, value: Column) -> Column:
    return F.struct(F.lit(what).alias("what"), value.alias("id"))


def about(changes: DataFrame, keys: DataFrame) -> DataFrame:
    """Changes that concern one of some keys, private addresses as well."""
    hits = F.explode(_keys_of(all_addresses=True)).alias("key")
    found = changes.select("*", hits).join(F.broadcast(keys), on="key", how="left_semi")
    return found.drop("key").distinct()


def standing(changes: DataFrame) -> DataFrame:
    """Changes that concern everybody: gateways and routes."""
    return changes.where(F.col("change").isin(NAT, ROUTE))


def at_keys(places: DataFrame, keys: DataFrame) -> DataFrame:
    """Sessions of instances and at addresses that keys name.

    A private address is one place only within an account, which is not asked for here; where a
    session was born it is its own, whoever holds it.
    """
    minds = F.col("source_kind").isin(*PUBLIC) | F.col("born_at").isNull()
    at = places.select(NAME, F.explode(_place_keys(minds)).alias("key"))
    return names_of(at.join(F.broadcast(keys), on="key", how="left_semi"))


def of_instances(places: DataFrame, keys: DataFrame) -> DataFrame:
    """Places of the instances that keys name."""
    named = keys.where("key.what = 'instance_id'").select(F.col("key.id").alias("instance_id"))
    return places.join(F.broadcast(named.distinct()), on="instance_id", how="left_semi")


def of_roles(places: DataFrame, some: DataFrame) -> DataFrame:
    """Places of all sessions that have a role in common with some."""
    role = ["account_id", "role_id"]
    return places.join(F.broadcast(some.select(*role).distinct()), on=role, how="left_semi")


def makers(changes: DataFrame, opened: DataFrame) -> DataFrame:
    """Workload sessions that made changes, or opened the session that did: their names."""
    by_opener = changes.join(
        opened.select(
            F.col("access_key_id").alias("made_with_key"),
            F.col("issued_by_session_name").alias(NAME),
        ).distinct(),
        on="made_with_key",
        how="inner",
    )
    own = changes.where("made_by_session_name is not null").select(
        F.col("made_by_session_name").alias(NAME)
    )
    return own.union(by_opener.select(NAME)).distinct()


def made_by(changes: DataFrame, opened: DataFrame, names: DataFrame) -> DataFrame:
    """Changes that sessions of some names made, or sessions that these opened."""
    by = names.select(F.col(NAME).alias("made_by_session_name"))
    own = changes.join(F.broadcast(by), on="made_by_session_name", how="left_semi")
    theirs = names.select(F.col(NAME).alias("issued_by_session_name"))
    keys = (
        opened.join(F.broadcast(theirs), on="issued_by_session_name", how="left_semi")
        .select(F.col("access_key_id").alias("made_with_key"))
        .distinct()
    )
    through = changes.join(F.broadcast(keys), on="made_with_key", how="left_semi")
    return own.select(*changes.columns).union(through.select(*changes.columns)).distinct()


def may_have_other_trust(change: Change) -> DataFrame:
    """Sessions whose homes, as changes are trusted by them, may be others than before.

    The births have changed; or a source that is no birth home may be explained, or not any more.
    """
    moved = born_otherwise(change).select(NAME)
    return names_of(moved.union(elsewhere_too(change.before.unionByName(change.now))))


def born_otherwise(change: Change) -> DataFrame:
    """Births that were not there before, or are no longer, of sessions that new data names."""
    born = (
        *("session_id", "account_id", "role_id", "instance_id", NAME, "source"),
        *("born_at", "first_alive", "own_region", "in_own_region"),
    )
    return differing(_births(change.before, born), _births(change.now, born))


def elsewhere_too(places: DataFrame) -> DataFrame:
    """Names of sessions with a source at which they are at home, if at all, by the ledger alone.

    Of several births not all are believed (method, section 4).
    """
    return names_of(places.join(_wandering(places), on="session_id", how="left_semi"))


def differing(before: DataFrame, now: DataFrame) -> DataFrame:
    """Rows that only one of two tables has, each once."""
    return before.subtract(now).union(now.subtract(before))


def _births(places: DataFrame, columns: Sequence[str]) -> DataFrame:
    return places.where("born_at is not null").select(*columns)


def union(parts: Sequence[DataFrame]) -> DataFrame:
    """All names, each once."""
    return reduce(DataFrame.union, parts).distinct()
