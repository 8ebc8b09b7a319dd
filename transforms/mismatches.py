"""The verdict of every (session, source) pair that is not home, excused ones too.

Stratum 7: each stay climbs the ladder with the facts of the strata above it; a pair takes its
worst unexcused stay, and its times cover only unexcused stays.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms import schemas
from transforms.identity import role_name
from transforms.ip import network24_48
from transforms.marks import CONSOLE
from transforms.rules import in_words, verdict_columns
from transforms.sessions import SELF_ASSUMED
from transforms.signal_names import MEANING
from transforms.stays import PLACE, PUBLIC, SESSION, merged
from transforms.workloads import (
    EC2,
    ECS_TASK,
    EKS_POD,
    INSTANCE_IDENTITY,
    LAMBDA,
    MANAGED_INSTANCE,
    WORKLOADS,
)

_FLAGS = (
    "aws",
    "egress",
    "moved_fleet",
    "endpoint_ours",
    "endpoint_assumed",
    "speaks_for_endpoint",
    "owner_is_ours",
    "another_here",
    "exact",
    "permitted",
    "self_made",
    "never_corroborated",
    "gives_way",
    "after_silence",
    "first_of_network",
)


def with_allow_list(presences: DataFrame, entries: DataFrame, in_ranges: DataFrame) -> DataFrame:
    """Add ``allow_entries``: those that cover a stay, the last to expire first; null if none do.

    Args:
        presences: stays with ``source_address``, ``vpc_endpoint_id`` and ``endpoint_owner``.
        entries: the allow-list: what, value, account, role, owner, reason, expires (date), entry.
        in_ranges: ``address`` and ``entry`` of each CIDR entry that holds the address.

    An entry must not be expired at the first and last call.
    """
    by_cidr = in_ranges.select(F.col("address").alias("at_address"), F.col("entry").alias("holds"))
    key = [*SESSION, *PLACE, "endpoint_owner", "first_seen", "last_seen", "kind"]
    places = presences.select(*key).distinct()
    covers = (
        ((F.col("what") == "endpoint") & (F.col("value") == F.col("vpc_endpoint_id")))
        | ((F.col("what") == "account") & (F.col("value") == F.col("endpoint_owner")))
        | (
            (F.col("what") == "cidr")
            & (F.col("entry") == F.col("holds"))
            & (F.col("source_kind") != "endpoint")
        )
    )
    scope = (
        (F.col("account").isNull() | (F.col("account") == F.col("account_id")))
        & (F.col("role").isNull() | (F.col("role") == role_name(F.col("role_arn"))))
        & (F.col("last_seen") < F.date_add("expires", 1))
    )
    every = F.collect_set(F.struct("expires", "owner", "reason", "rules"))
    covered = (
        places.join(by_cidr, on=F.col("source_address") == F.col("at_address"), how="left")
        .join(F.broadcast(entries), on=covers & scope, how="inner")
        .groupBy("session_id", "source", "kind", "first_seen")
        .agg(F.sort_array(every, asc=False).alias("allow_entries"))
    )
    return presences.join(covered, on=["session_id", "source", "kind", "first_seen"], how="left")


def without_allow_list(presences: DataFrame) -> DataFrame:
    """Add the column of :func:`with_allow_list` where there are no entries."""
    return presences.withColumn("allow_entries", F.lit(None).cast(_ENTRIES))


def other_stays(
    stays: DataFrame, credentials: DataFrame, at_home: DataFrame, ttl_hours: float
) -> DataFrame:
    """Stays that cannot be home: calls not made directly, and sessions with a borrowed name.

    ``assumer`` says in words who borrowed the name.
    """
    borrowed = _borrowed(credentials, at_home)
    name = ["account_id", "role_name", "session_name"]
    is_own = F.col("session_kind").isin(*WORKLOADS)
    rows = stays.where(~is_own | (F.col("kind") != "direct"))
    merged_rows = merged(
        rows, (*SESSION, *PLACE, "kind"), ttl_hours, [F.bit_or("marks").alias("marks")]
    )
    return (
        merged_rows.withColumn("role_name", role_name(F.col("role_arn")))
        .join(borrowed, on=name, how="left")
        .where((F.col("session_kind") != SELF_ASSUMED) | F.col("from_elsewhere"))
        .drop("role_name", "from_elsewhere")
    )


def functions_outside(
    stays: DataFrame, addresses: DataFrame, shared: DataFrame, ttl_hours: float
) -> DataFrame:
    """Direct stays of Lambda functions outside AWS space, or that use a console.

    A function has no other home than AWS as a whole.

    Args:
        stays: rows of ``schemas.STAYS``.
        addresses: ``address``, ``aws``: which addresses lie in AWS space.
        shared: rows of :func:`transforms.shared.with_egress`: egress outside AWS space that
            functions in our networks use, too.
        ttl_hours: silence that ends a stay.
    """
    outside = addresses.where("not aws").select(
        F.col("address").alias("source_address"), F.lit(True).alias("outside")
    )
    shared_here = shared.where("egress and prefix is not null")
    egress = shared_here.select("account_id", "prefix", "egress").distinct()
    direct = (
        stays.where((F.col("session_kind") == LAMBDA) & (F.col("kind") == "direct"))
        .join(outside, on="source_address", how="left")
        .where(
            (F.col("source_kind").isin(*PUBLIC) & F.col("outside"))
            | (F.col("marks").bitwiseAND(CONSOLE) != 0)
        )
    )
    return (
        merged(direct, (*SESSION, *PLACE, "kind"), ttl_hours, [F.bit_or("marks").alias("marks")])
        .withColumn("prefix", network24_48(F.col("source_address")))
        .join(F.broadcast(egress), on=["account_id", "prefix"], how="left")
    )


def judged(  # noqa: PLR0913, PLR0917 - all that the ladder reads
    direct: DataFrame,
    others: DataFrame,
    folded: DataFrame,
    private: DataFrame,
    weak: DataFrame | None,
    n: int,
) -> DataFrame:
    """Every stay that is no undisputed home, with its verdict and all that the ladder reads.

    Args:
        direct: rows of :func:`transforms.homes.outcomes`.
        others: rows of :func:`other_stays`.
        folded: rows of :func:`transforms.homes.folded`.
        private: rows of :func:`transforms.places.unknown_private`.
        weak: rows of :func:`transforms.signals.weak_signals`, where those are wanted.
        n: how many other instances make a shared fact.
    """
    homes = folded.select(
        "session_id",
        F.array_distinct(F.transform("homes", lambda h: h["source"])).alias("home"),
        F.array_min(F.transform("homes", lambda h: h["since"])).alias("home_since"),
        F.array_distinct(F.transform("homes", lambda h: h["address"])).alias("home_addresses"),
    )
    rows = direct.unionByName(others, allowMissingColumns=True).join(
        homes, on="session_id", how="left"
    )
    rows = _with_weak_signals(rows, weak)
    in_account = private.groupBy("account_id").agg(F.count("instance_id").alias("private_in_all"))
    itself = private.withColumn("private_itself", F.lit(1))
    others_private = F.coalesce("private_in_all", F.lit(0)) - F.coalesce("private_itself", F.lit(0))
    rows = (
        rows.join(F.broadcast(in_account), on="account_id", how="left")
        .join(F.broadcast(itself), on=["account_id", "instance_id"], how="left")
        .withColumn(
            "outcome", F.coalesce(_at_home_without_endpoint(), "outcome", F.lit("mismatch"))
        )
        .withColumns({flag: F.coalesce(flag, F.lit(False)) for flag in _FLAGS})
        .withColumn("console", _console())
        .withColumn("not_running", F.col("down_since").isNotNull())
        .withColumns(_entry_that_excuses())
        .withColumn("signal_groups", F.coalesce("signal_groups", F.lit(0)))
        .withColumn("signs", F.coalesce("signs", F.array().cast("array<string>")))
        .where(
            (F.col("outcome") != "home")
            | F.col("never_corroborated")
            | F.col("console")
            | F.col("not_running")
            | F.col("speaks_for_endpoint")
            | F.col("weak_signal")
        )
        .withColumn("n", F.lit(n))
        .withColumn("others_private", others_private)
        .withColumn("others", F.greatest("others_here", "others_in_prefix"))
        .withColumns(_words())
    )
    verdict = verdict_columns()
    return (
        rows.withColumn("rung", verdict["rung"])
        .withColumns({name: verdict[name] for name in ("verdict", "excused", "severity")})
        .withColumn("level", verdict["level"])
    )


_ENTRIES = "array<struct<expires:date,owner:string,reason:string,rules:array<string>>>"


def _entry_that_excuses() -> dict[str, Column]:
    """Owner, reason and expiry of the entry that excuses all of the stay.

    One entry must name each rule that has to be named; of several the last to expire speaks.
    """
    to_name = F.array_compact(
        F.array(*[F.when(F.col(at), F.lit(rule)) for at, rule in _ONLY_BY_NAME.items()])
    )
    none = F.array().cast("array<string>")
    fit = F.filter(
        "allow_entries",
        lambda e: F.size(F.array_except(to_name, F.coalesce(e["rules"], none))) == 0,
    )
    entry = F.get(fit, F.lit(0))
    return {f"allow_{part}": entry[part] for part in ("owner", "reason", "expires")}


_ONLY_BY_NAME = {"console": "console_session", "not_running": "not_running"}
"""Rules that an entry of the allow-list excuses only if it names them, by what tells of them."""


def _at_home_without_endpoint() -> Column:
    """A private address that a home has: some services do not log the endpoint of a call."""
    at_home = F.array_contains("home_addresses", F.col("source_address"))
    private = (F.col("source_kind") == "private") & (F.col("outcome") == "mismatch")
    return F.when(private & at_home, F.lit("home"))


def _with_weak_signals(rows: DataFrame, weak: DataFrame | None) -> DataFrame:
    none = F.lit(None).cast("array<string>")
    told = (
        rows.withColumn("weak_signs", none)
        if weak is None
        else rows.join(weak, on=["session_id", "source"], how="left")
    )
    at_home = F.col("outcome") == "home"
    return told.withColumn(
        "weak_signal", F.coalesce(at_home & F.col("weak_signs").isNotNull(), F.lit(False))
    )


def _console() -> Column:
    of_workload = F.col("session_kind").isin(*WORKLOADS)
    return of_workload & (F.coalesce("marks", F.lit(0)).bitwiseAND(CONSOLE) != 0)


def pairs(judged: DataFrame, at_home: DataFrame) -> DataFrame:
    """One row per pair: the worst stay's verdict and words, times of the stays it covers.

    Args:
        judged: rows of :func:`judged`.
        at_home: ``session_id``, ``source`` of homes: what services or other parties sent from
            there is no mismatch.
    """
    pair = Window.partitionBy("session_id", "source")
    worst = pair.orderBy(F.col("excused"), F.col("level"), "rung", "first_seen", "kind")
    covered = pair.orderBy("excused").rangeBetween(Window.currentRow, Window.currentRow)
    undisputed_home = at_home.select("session_id", "source").distinct()
    return (
        judged.withColumn("place", F.row_number().over(worst))
        .withColumn("first_call", F.min("first_seen").over(covered))
        .withColumn("last_call", F.max("last_seen").over(covered))
        .where("place = 1")
        .drop("first_seen", "last_seen")
        .withColumnRenamed("first_call", "first_seen")
        .withColumnRenamed("last_call", "last_seen")
        .withColumn("title", in_words("title"))
        .withColumn("reason", F.concat(in_words("reason"), _went_on()))
        .join(
            undisputed_home.withColumn("is_home", F.lit(True)),
            on=["session_id", "source"],
            how="left",
        )
        .where(~F.col("excused") | F.col("is_home").isNull() | (F.col("kind") == "direct"))
    )


def mismatches(pairs: DataFrame) -> DataFrame:
    """``schemas.MISMATCHES``."""
    return pairs.select(*schemas.MISMATCHES.columns)


def _borrowed(credentials: DataFrame, at_home: DataFrame) -> DataFrame:
    """Who, but no service for a workload, assumed a role under a name, and if from elsewhere.

    From elsewhere a session assumes it under its own name: keys of others are told by themselves.
    """
    by_itself = F.col("issued_by_session_name") == F.col("session_name")
    home = at_home.select(
        F.col("account_id").alias("issued_by_account_id"),
        F.col("role_id").alias("issued_by_role_id"),
        F.col("session_name").alias("issued_by_session_name"),
        F.col("source").alias("issued_from"),
        F.lit(True).alias("at_home"),
    ).distinct()
    by = F.sort_array(F.collect_set("issued_by"))
    return (
        credentials.where("issued_for is null")
        .join(
            home,
            on=[
                "issued_by_account_id",
                "issued_by_role_id",
                "issued_by_session_name",
                "issued_from",
            ],
            how="left",
        )
        .groupBy("account_id", role_name(F.col("role_arn")).alias("role_name"), "session_name")
        .agg(
            F.concat(
                F.lit("Assumed by "),
                F.array_join(F.slice(by, 1, 3), ", "),
                F.when(F.size(by) > 3, F.lit(" and others")).otherwise(F.lit("")),  # noqa: PLR2004
                F.lit("."),
            ).alias("assumer"),
            F.coalesce(F.max(F.when(by_itself, F.col("at_home").isNull())), F.lit(False)).alias(
                "from_elsewhere"
            ),
        )
    )


def _words() -> dict[str, Column]:
    """Parts of sentences that several rules use."""
    do_next = _by_workload(_DO_NEXT)
    role = F.coalesce(role_name(F.col("role_arn")), F.lit("unknown"))
    whose = F.concat(F.lit("role "), role, F.lit(", account "), F.col("account_id"))
    home = F.when(F.size("home") > 0, _home_text()).otherwise(
        F.when(
            F.col("session_kind") == LAMBDA, F.lit("A function runs inside AWS, wherever it is.")
        ).otherwise(F.lit("This session has no known home."))
    )
    noun = _by_workload({kind: workload.noun for kind, workload in WORKLOADS.items()})
    return {
        "whose": whose,
        "role": role,
        "workload": noun,
        "calls_came": F.concat(F.lit("Calls signed with the "), noun, F.lit("'s credentials came")),
        "signs_text": F.array_join(F.transform("weak_signs", _meaning), "; "),
        "home_text": home,
        "how_new": _how_new(),
        "own_calls": F.when(
            (F.col("outcome") == "home") & (F.col("first_seen") < F.col("down_since")),
            F.lit(" Calls from there before that stop are its own; this finding counts them, too."),
        ).otherwise(F.lit("")),
        "endpoint_basis": F.when(
            F.col("owner_is_ours"), F.concat(F.lit("owner "), F.col("endpoint_owner"))
        ).otherwise(F.lit("assumed: many of your instances were first seen behind it")),
        "do_next": do_next,
        "do_next_down": _by_workload(_DO_NEXT_DOWN),
        "do_next_endpoint": F.when(
            F.col("speaks_for_endpoint"),
            F.lit(
                "If the account is yours, list it in accounts.ours. If it is not, find out who "
                "put your instances behind somebody else's endpoint."
            ),
        ).otherwise(
            F.concat(
                F.lit(
                    "If the account is a partner's, or yours after all, list it on the allow-list "
                    "or in accounts.ours. If not, the key is stolen. "
                ),
                do_next,
            )
        ),
        "owner_text": F.when(
            F.col("speaks_for_endpoint"),
            F.lit(
                "That account is not known to be yours, but so many of your instances were first "
                "seen behind this endpoint that it is taken for yours. This is said once, of one "
                "instance for all."
            ),
        ).otherwise(
            F.lit(
                "That is no account of yours: none that is listed, and none whose trail is read. "
                "So the key is used in somebody else's VPC, whose owner may choose any private "
                "address, even one of yours."
            )
        ),
        "egress_basis": _egress_basis(),
        "like_text": F.when(
            F.col("others_private") >= F.col("n"),
            F.concat(
                F.col("n").cast("string"),
                F.lit(" or more other instances of the account show the like."),
            ),
        ).otherwise(F.lit("")),
        "neighbour_text": F.when(
            F.col("holder").isNotNull(),
            F.concat(
                F.lit("which the records of address changes give to "),
                F.col("holder"),
                F.lit(" at that time"),
            ),
        ).otherwise(
            F.concat(F.lit("where "), F.col("neighbour"), F.lit(" is at home at that time"))
        ),
        "or_else": F.when(
            F.col("source_kind") == "public_ipv4",
            F.lit(
                "Either the key was carried over to that machine, or both leave by a gateway that "
                "too few use to be known as an egress."
            ),
        ).otherwise(
            F.lit(
                "Either the key was carried over to that machine, or the address changed hands "
                "and no record tells."
            )
        ),
        "assumer": F.coalesce("assumer", F.lit("No AssumeRole of it is on record.")),
        "borrower": F.when(
            F.col("session_kind") == SELF_ASSUMED,
            F.lit(
                "That is the workload's own session, but it did so from elsewhere than its home. "
                "See the findings of that session first: whoever has its key can assume this role "
                "again."
            ),
        ).otherwise(
            F.lit(
                "AWS issued this session to no workload, and it takes no key from the one of that "
                "name. Ask who assumed the role, and why under this name: some applications do. "
                "If nobody can say, treat the principal who did as stolen."
            )
        ),
    }


def _how_new() -> Column:
    """What makes a source look like a new home, or the home like a new one."""
    networks = {
        "public_ipv4": "at a public IPv4 address",
        "public_ipv6": "at a public IPv6 address",
        "endpoint": "behind this endpoint",
    }
    network = F.coalesce(
        *[F.when(F.col("source_kind") == kind, F.lit(text)) for kind, text in networks.items()],
        F.lit("in this kind of network"),
    )
    return (
        F.when(
            F.col("gives_way") & (F.col("first_seen") < F.col("home_since")),
            F.lit(
                " This source was seen first, but nothing shows that it is yours. The home is the "
                "likelier one: it is in AWS space, behind an endpoint of yours, or a known egress."
            ),
        )
        .when(F.col("after_silence"), F.lit(" The calls follow a silence longer than keys live."))
        .when(
            F.col("first_of_network"),
            F.concat(F.lit(" The session was never seen "), network, F.lit(" before.")),
        )
        .otherwise(F.lit(""))
    )


def _egress_basis() -> Column:
    """Why a source is taken for an egress: in words that stay true as the fleet grows."""
    near = F.coalesce("others_here", F.lit(0)) < F.col("n")
    place = F.when(near, F.lit("in its /24 or, of IPv6, /48")).otherwise(F.lit("there"))
    return (
        F.when(
            F.col("moved_fleet") & ~F.col("egress"),
            F.lit("the fleet moved there together from its former address"),
        )
        .when(
            F.col("others") >= F.col("n"),
            F.concat(F.col("n").cast("string"), F.lit(" or more others were first seen "), place),
        )
        .otherwise(
            F.lit(
                "by the records of address changes it belongs to a gateway, or to an instance that "
                "forwards"
            )
        )
    )


def _went_on() -> Column:
    """What the session did from a source that makes a finding worse."""
    signs = F.filter(
        F.array(*[F.lit(name) for name in _WENT_ON]),
        lambda name: (
            F.array_contains("signs", name) & ~(F.col("console") & (name == "console_pivot"))
        ),
    )
    said = F.transform(
        signs,
        lambda name: F.coalesce(*[F.when(name == n, F.lit(t)) for n, t in _WENT_ON.items()]),
    )
    goes_on = ~F.col("excused") & (F.col("outcome") != "home") & (F.size(signs) > 0)
    return F.when(
        goes_on,
        F.concat(
            F.lit(" From this source the session also "), F.array_join(said, ", and "), F.lit(".")
        ),
    ).otherwise(F.lit(""))


_WENT_ON = {
    "role_chaining": "assumed another role: follow the keys that this gave out",
    "console_pivot": "opened a console",
    "tampering": "changed trails or addresses, on which detectors rely",
}
"""Signals that raise the severity of a finding (transforms/rules.py), as the session's deeds."""

_DO_NEXT = {
    EC2: "Give the instance another profile, then deny the session, and read what was called.",
    ECS_TASK: "Deny the session, stop the task, and read what was called.",
    EKS_POD: "Deny the session, delete the pod, and read what was called.",
    LAMBDA: "Give the function another role, then deny the session, and read what was called.",
    MANAGED_INSTANCE: "Isolate the instance, then deny the session, and read what was called.",
    INSTANCE_IDENTITY: "Isolate the instance: AWS owns this role, and no policy of yours can be "
    "attached to it. Read what was called.",
}
"""What to do, in the order that keeps a workload from fetching new keys (docs/runbook.md)."""

_DO_NEXT_DOWN = {
    **_DO_NEXT,
    EC2: "Deny the session at once, as an instance that is down fetches no keys, and read what was "
    "called. Before it starts again, give it another profile.",
    MANAGED_INSTANCE: "Deny the session at once, as an instance that is down fetches no keys, and "
    "read what was called. Before it starts again, isolate it.",
    INSTANCE_IDENTITY: "AWS owns this role, and no policy of yours can be attached to it: keys "
    "that are out live on for hours. Read what was called.",
}
"""What to do where the instance is stopped or terminated."""


def _by_workload(texts: Mapping[str, str]) -> Column:
    """A text by kind of session; a borrowed name is taken for an instance's."""
    kind = F.col("session_kind")
    return F.coalesce(
        *[F.when(kind == name, F.lit(text)) for name, text in texts.items() if name != EC2],
        F.lit(texts[EC2]),
    )


def _meaning(sign: Column) -> Column:
    return F.coalesce(*[F.when(sign == name, F.lit(text)) for name, text in MEANING.items()])


def _home_text() -> Column:
    shown = F.array_join(F.slice("home", 1, 3), ", ")
    more = F.when(
        F.size("home") > 3,  # noqa: PLR2004
        F.concat(F.lit(" and "), F.size("home") - 3, F.lit(" more")),
    ).otherwise(F.lit(""))
    since = F.date_format("home_since", "yyyy-MM-dd HH:mm:ss")
    return F.concat(
        F.lit("Its home is "), shown, more, F.lit(", seen since "), since, F.lit(" UTC.")
    )
