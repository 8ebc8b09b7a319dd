"""Judging what new data can touch: the same verdicts as judging in full, without reading it all.

Read are the sightings of new batches, the stays of the sessions that they touch, and the places of
all others. Which sessions are touched ``transforms/touched.py`` tells; beside these stand some that
are judged only as witnesses, and whose verdicts are not published.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from jobs.judging import Known, Memories, Seen, Verdicts, judge_seen, see, shared_numbers
from jobs.keeping import kept
from transforms import touched
from transforms.addresses import ENDPOINT, ROUTE
from transforms.births import our_accounts
from transforms.ledger import endpoints_made
from transforms.ranges import in_aws_space
from transforms.sessions import IDENTITY, TOLD, identities, sessions, with_session
from transforms.shared import endpoint_owners
from transforms.stays import placed
from transforms.touched import NAME, Change, names_of, union
from transforms.workloads import LAMBDA

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from jobs.settings import MethodSettings
    from jobs.world import World

_ROUNDS_OF_NEWS, _ROUNDS_OF_PLACES = 3, 4
"""How many steps of the ledger lie between a change and whom it concerns: from an association to
its allocation or address, from there to an interface, to the instance that it is attached to; and
to who had the address before."""


WORTH_IT = 100_000
"""Stays of a warehouse from which on news are judged apart: fewer are judged sooner in full."""

_BY_NAME = "sessions are named otherwise than their instances"
_MOST = "new data names most of them"
_BY_SETTINGS = "by these settings every session may touch every other"


class InFullError(Exception):
    """New data can touch more than is told apart here: all is to be judged. Says why."""


@dataclass(frozen=True)
class Past:
    """Results of former runs: what they made of all but the new batches.

    Attributes:
        stays: rows of ``schemas.STAYS``.
        places: rows of ``schemas.PLACES``.
    """

    stays: DataFrame
    places: DataFrame


@dataclass(frozen=True)
class Judged:
    """Verdicts of all sessions, or of those that new data can touch.

    Attributes:
        verdicts: their results.
        news: their new sightings, with session and kind of call.
        names: names of these sessions, as ``session_name``; none where they are all.
    """

    verdicts: Verdicts
    news: DataFrame
    names: DataFrame | None = None

    def of_them(self, rows: DataFrame) -> DataFrame:
        """Return rows of these sessions alone."""
        return rows if self.names is None else _of(rows, self.names)


def judge_news(  # noqa: PLR0913, PLR0917 - as judging in full, and what is new
    memories: Memories,
    past: Past,
    batches: Collection[int],
    world: World,
    method: MethodSettings,
    others_judged: Collection[str] = (),
) -> Judged:
    """Judge the sessions that new batches can touch.

    Args:
        memories: what all counted batches told, the new ones, too.
        past: what former runs made of all others, by the same settings.
        batches: ids of the new ones.
        world: AWS space, allow-list and listed accounts.
        method: numbers and switches of the method.
        others_judged: kinds of workload that are judged beside EC2 instances.

    Raises:
        InFullError: all is to be judged.
    """
    return _News(memories, past, batches, world, method, others_judged).judged()


class _News:
    """One judging of news: what its steps share."""

    def __init__(  # noqa: PLR0913, PLR0917 - see judge_news
        self,
        memories: Memories,
        past: Past,
        batches: Collection[int],
        world: World,
        method: MethodSettings,
        others_judged: Collection[str],
    ) -> None:
        if method.policy == "seed" or method.weak_signals or LAMBDA in others_judged:
            raise InFullError(_BY_SETTINGS)
        self.memories, self.past = memories, past
        self.world, self.method, self.others_judged = world, method, others_judged
        self.is_new = F.col("batch_id").isin(*batches)
        self.numbers = shared_numbers(method)
        self.changes = kept(memories.changes.drop("batch_id").distinct())
        self.opened = kept(
            memories.credentials.drop("batch_id")
            .where("access_key_id is not null and issued_by_session_name is not null")
            .distinct()
        )
        fresh = (memories.sightings, memories.credentials)
        self.named = kept(union([names_of(rows.where(self.is_new)) for rows in fresh]))
        self.rest = kept(_without(past.places, self.named))
        self.stays = kept(_of(past.stays, self.named))

    def judged(self) -> Judged:
        """Judge: first those that are named, then all that share what they change."""
        self._ask_for_all()
        if self.named.count() > names_of(self.rest).count():
            raise InFullError(_MOST)
        seen = self._see_named()
        change = Change(kept(_of(self.past.places, self.named)), seen.places, self.rest)
        states = kept(touched.states(change.all_now, self.numbers))
        woken = kept(_without(self._woken(change, seen, states), self.named))
        names = kept(self.named.union(woken))
        mine = kept(seen.places.unionByName(_of(self.rest, woken)))
        others = kept(_without(self.rest, woken))
        ledger, witnesses = self._witnesses(mine, others, states)
        both = kept(woken.union(witnesses))
        together = seen if both.isEmpty() else seen.beside(self._see_known(both))
        everything = Memories(
            self.memories.sightings,
            kept(_of(self.memories.credentials, names.union(witnesses)))
            .drop("batch_id")
            .unionByName(self.opened)
            .withColumn("batch_id", F.lit(0)),
            self.memories.inventory,
            ledger.withColumn("batch_id", F.lit(0)),
            self._known(together.stays, kept(_without(others, witnesses))),
        )
        verdicts = judge_seen(together, everything, self.world, self.method, self.others_judged)
        return self._of_names(verdicts, names, seen.placed)

    def _ask_for_all(self) -> None:
        """See whether the news is of a kind that any session may depend on."""
        sightings, inventory = self.memories.sightings, self.memories.inventory
        new, old = self.is_new, ~self.is_new
        owner = ["what", "id", "owner_account_id"]
        accounts = sightings.select("account_id").distinct()
        told = inventory.where("what = 'account'")
        other_name = "instance_id <> session_name"
        made = [endpoints_made(self.memories.changes.where(when)) for when in (old, new)]
        for found, why in (
            (
                inventory.where(new).select(*owner).subtract(inventory.where(old).select(*owner)),
                "an account or an owner of an endpoint is new",
            ),
            (made[1].subtract(made[0]), "an endpoint was made"),
            (
                accounts.join(self.past.places, on="account_id", how="left_anti").join(
                    F.broadcast(told.limit(1).select("what")), on=F.lit(True), how="left_anti"
                ),
                "an account is new",
            ),
            (sightings.where("role_id is null"), "records hide the ids of roles"),
            (sightings.where(new).where(other_name), _BY_NAME),
            (self.past.places.where(other_name), _BY_NAME),
        ):
            if not found.isEmpty():
                raise InFullError(why)

    def _see_named(self) -> Seen:
        """See the sessions that new data names: their stays, and what is new.

        Where it settles anew who a session is, all its sightings are read again.
        """
        sightings = self.memories.sightings
        credentials = kept(_of(self.memories.credentials, self.named))
        fresh = kept(identities(sightings.where(self.is_new)))
        unsure = kept(self._unsure(fresh))
        known_by, stays, read = fresh, self.stays, sightings.where(self.is_new)
        if not unsure.isEmpty():
            theirs, anew = self._settled(unsure, credentials)
            known_by = _without(fresh, unsure).unionByName(theirs)
            stays = _without(stays, anew)
            read = read.unionByName(_of(sightings.where(~self.is_new), anew))
        known = Known(known_by, kept(stays), self.rest)
        told = replace(self.memories, sightings=read, credentials=credentials, known=known)
        return see(told, self.world, self.method, self.others_judged)

    def _unsure(self, fresh: DataFrame) -> DataFrame:
        """Return names of sessions for which new data may settle anew who they are.

        Where AWS itself tells it, it tells what it told before, but for records that know more.
        """
        by_key = self.memories.sightings.where(~F.col("proof").isin(*TOLD))
        by_key = names_of(_of(by_key, self.named))
        return by_key.union(touched.named_otherwise(fresh, self.stays)).distinct()

    def _settled(self, names: DataFrame, credentials: DataFrame) -> tuple[DataFrame, DataFrame]:
        """Return how all sightings name some sessions, and who of them is another than before."""
        known_by = kept(
            _of(self.memories.sightings, names)
            .groupBy(*IDENTITY)
            .agg(F.max(~self.is_new).alias("was_there"))
        )
        there = known_by.where("was_there").drop("was_there")
        now = self._named(known_by.drop("was_there"), credentials)
        was = self._named(there, credentials.where(~self.is_new))
        recorded = there.withColumnsRenamed(
            {name: f"recorded_{name}" for name in ("role_id", "role_arn", "instance_id")}
        )
        was_then = now.join(recorded, on=recorded.columns, how="left_semi")
        anew = kept(names_of(touched.differing(was, was_then)))
        return known_by.drop("was_there"), anew

    def _named(self, known_by: DataFrame, credentials: DataFrame) -> DataFrame:
        return sessions(
            known_by,
            credentials.drop("batch_id").distinct(),
            accept_name_proof=self.method.accept_name_proof,
            others=self.others_judged,
        )

    def _see_known(self, names: DataFrame) -> Seen:
        """See sessions of which nothing is new: by their stays alone."""
        none = self.memories.sightings.limit(0)
        known = self._known(kept(_of(self.past.stays, names)), self.rest)
        credentials = kept(_of(self.memories.credentials, names))
        told = replace(self.memories, sightings=none, credentials=credentials, known=known)
        return see(told, self.world, self.method, self.others_judged)

    def _known(self, stays: DataFrame, elsewhere: DataFrame) -> Known:
        return Known(identities(self.memories.sightings.limit(0)), stays, elsewhere)

    def _woken(self, change: Change, seen: Seen, states: DataFrame) -> DataFrame:
        """Return names of sessions that share what has changed."""
        method, numbers = self.method, self.numbers
        before = kept(touched.states(change.all_before, numbers))
        born = kept(change.before.unionByName(change.now).where("born_at is not null").distinct())
        direct = "kind = 'direct'"
        stays = (self.stays.where(direct), seen.stays.where(direct))
        accounts = our_accounts(
            self.memories.inventory, change.all_now, seen.stays, self.world.our_accounts
        )
        owners = kept(
            endpoint_owners(self.memories.inventory, endpoints_made(self.changes), accounts)
        )
        parts = [
            touched.by_births(change, before, states),
            touched.by_clients(change),
            touched.by_neighbours(change, states, born),
            touched.by_moves(change, stays, seen.placed, numbers),
            touched.by_private(change, method.neighbours),
            self._woken_by_ledger(change),
            self._woken_by_forwarders(change),
        ]
        if not owners.where("not owner_is_ours").isEmpty():
            parts.append(touched.by_speakers(change, owners, numbers))
        return kept(union([kept(part) for part in parts]))

    def _woken_by_ledger(self, change: Change) -> DataFrame:
        """Return names of sessions for which the ledger may say something else.

        By new changes, and by changes that may be trusted otherwise than before: those of sessions
        whose homes may be others, and in a second step of sessions that the first has woken.
        """
        new_keys = self.memories.credentials.where(self.is_new).select(
            F.col("access_key_id").alias("made_with_key")
        )
        by_new_key = self.changes.join(
            F.broadcast(new_keys.dropna().distinct()), on="made_with_key", how="left_semi"
        )
        fresh = self.memories.changes.where(self.is_new).drop("batch_id")
        theirs = touched.made_by(
            self.changes, self.opened, kept(touched.may_have_other_trust(change))
        )
        columns = self.changes.columns
        news = fresh.select(*columns).union(theirs).union(by_new_key.select(*columns))
        first = self._concerned(kept(news.distinct()), change.ever)
        makers = kept(touched.elsewhere_too(_of(self.rest, first)))
        if makers.isEmpty():
            return first
        theirs = kept(touched.made_by(self.changes, self.opened, makers))
        second = self._concerned(theirs, change.ever)
        return first.union(second)

    def _concerned(self, changes: DataFrame, places: DataFrame) -> DataFrame:
        """Return names of sessions that changes concern, by all that hangs together with them.

        Where an instance may begin or cease to forward for others, its role may, too, and then
        all addresses of these concern whoever was seen there.
        """
        if changes.isEmpty():
            return names_of(self.rest.limit(0))
        seeds = touched.keys_of(changes, all_addresses=True)
        hits, keys = self._closure(seeds, _ROUNDS_OF_NEWS)
        keys = keys.union(touched.keys_of(hits, all_addresses=True))
        if not hits.where(F.col("change") == ROUTE).isEmpty():
            keys = keys.union(self._addresses(touched.of_instances(places, keys), places))
        return kept(touched.at_keys(self.rest, kept(keys.distinct())))

    def _addresses(self, some: DataFrame, places: DataFrame) -> DataFrame:
        """Return the addresses, as keys, of all that have a role in common with some."""
        mates = touched.keys_at(touched.of_roles(places, some))
        hits, keys = self._closure(mates, _ROUNDS_OF_NEWS)
        return keys.union(touched.keys_of(hits)).where("key.what = 'address'")

    def _woken_by_forwarders(self, change: Change) -> DataFrame:
        """Return names of sessions at addresses of a role that forwards, and has other births."""
        routes = self.changes.where(F.col("change") == ROUTE)
        if routes.isEmpty():
            return names_of(self.rest.limit(0))
        _, keys = self._closure(touched.keys_of(routes), _ROUNDS_OF_NEWS)
        forwarding = touched.of_instances(change.ever, keys)
        born = kept(touched.of_roles(touched.born_otherwise(change), forwarding))
        if born.isEmpty():
            return names_of(self.rest.limit(0))
        return touched.at_keys(self.rest, kept(self._addresses(born, change.ever)))

    def _closure(self, keys: DataFrame, rounds: int) -> tuple[DataFrame, DataFrame]:
        """Return changes that hang together with keys, and all keys of these."""
        keys = kept(keys)
        hits = kept(touched.about(self.changes, keys))
        for _ in range(rounds - 1):
            keys = kept(keys.union(touched.keys_of(hits)).distinct())
            hits = kept(touched.about(self.changes, keys))
        return hits, keys

    def _witnesses(
        self, mine: DataFrame, others: DataFrame, states: DataFrame
    ) -> tuple[DataFrame, DataFrame]:
        """Return the part of the ledger that judging needs, and names of witnesses.

        Witnesses are those who live where a judged session visits, who may be its fleet, and who
        made changes that concern it from where they may be at home by the ledger alone.
        """
        standing = self.changes.where(F.col("change") == ENDPOINT).union(
            touched.standing(self.changes)
        )
        seeds = touched.keys_at(mine).union(touched.keys_of(standing))
        ledger, _ = self._closure(seeds.distinct(), _ROUNDS_OF_PLACES)
        made = touched.makers(ledger, self.opened)
        makers = kept(touched.elsewhere_too(_of(others, made)))
        witnesses = kept(
            union(
                [
                    touched.residents(mine, others, states),
                    touched.fleets(mine, others, self.numbers.n),
                    makers,
                ]
            )
        )
        if not makers.isEmpty():
            of_makers = touched.keys_at(_of(others, makers))
            ledger, _ = self._closure(of_makers.union(seeds).distinct(), _ROUNDS_OF_PLACES)
        return kept(ledger.unionByName(standing).distinct()), witnesses

    def _of_names(self, verdicts: Verdicts, names: DataFrame, news: DataFrame) -> Judged:
        """Return the verdicts of these sessions alone, with all sightings of suspicious ones."""
        suspicious = kept(_of(verdicts.suspicious, names))
        found = Verdicts(
            placed=self._placed(kept(names_of(suspicious))),
            stays=kept(_of(verdicts.stays, names)),
            places=kept(_of(verdicts.places, names)),
            homes=kept(_of(verdicts.homes, names)),
            pairs=kept(_of(verdicts.pairs, names)),
            mismatches=kept(_of(verdicts.mismatches, names)),
            suspicious=suspicious,
        )
        return Judged(found, news, names)

    def _placed(self, names: DataFrame) -> DataFrame:
        """Return all sightings of some sessions, with session and kind of call."""
        seen = kept(_of(self.memories.sightings, names))
        credentials = _of(self.memories.credentials, names)
        named = kept(self._named(identities(seen), credentials))
        addresses = seen.select(F.col("source_address").alias("address")).dropna().distinct()
        in_space = kept(in_aws_space(addresses, self.world.aws_ranges))
        return kept(placed(with_session(seen, named), in_space))


def _of(rows: DataFrame, names: DataFrame) -> DataFrame:
    return rows.join(F.broadcast(names), on=NAME, how="left_semi")


def _without(rows: DataFrame, names: DataFrame) -> DataFrame:
    return rows.join(F.broadcast(names), on=NAME, how="left_anti")
