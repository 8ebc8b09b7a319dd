"""Findings: one row per suspicious (session, source), with its calls."""

from __future__ import annotations

from collections.abc import Collection

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms import schemas
from transforms.identity import in_session
from transforms.rules import SEVERITIES
from transforms.source import canonical_source
from transforms.summary import is_forwarded, service_behind


def suspicious(pairs: DataFrame) -> DataFrame:
    """Pairs no rule excuses, with their deterministic ids; counts come from the evidence."""
    return pairs.where(~F.col("excused")).select(
        finding_id().alias("finding_id"),
        case_id().alias("case_id"),
        "*",
        F.col("endpoint_owner").alias("vpc_endpoint_account_id"),
        _signals().alias("signals"),
        F.when(F.col("verdict").isin("outside_home", "weak_signal"), F.lit("unknown"))
        .otherwise(F.lit("source"))
        .alias("likely_intruder"),
    )


def finding_id() -> Column:
    """Id of a finding: the same in every run, on every machine."""
    return F.substring(F.sha2(F.concat_ws("\n", "session_id", "source"), 256), 1, 24)


def case_id() -> Column:
    """Id of a case: all findings of one session."""
    return F.substring(F.sha2(F.col("session_id"), 256), 1, 16)


def at_least(severity: str) -> Column:
    """Severity of a row is this or worse."""
    return F.col("severity").isin(*SEVERITIES[: SEVERITIES.index(severity) + 1])


def of_gathered(evidence: DataFrame, suspicious: DataFrame, severity: str) -> DataFrame:
    """Calls of the findings for which all are gathered: those of a severity or worse.

    A finding that was worse once has some of its calls, which say nothing of the rest.
    """
    gathered = suspicious.where(at_least(severity)).select("finding_id")
    return evidence.join(gathered, on="finding_id", how="left_semi")


def owed(findings: DataFrame, placed: DataFrame, done: DataFrame) -> DataFrame:
    """Which batches still owe the calls of which findings.

    One row per finding, raw role id and batch: the session, the source, whether its address is in
    AWS space (``aws``), the groups of files (``file_bits``) and the times to look in.

    Args:
        findings: rows of :func:`suspicious`.
        placed: rows of :func:`transforms.stays.placed`.
        done: rows of ``schemas.EVIDENCE_DONE``.
    """
    session = ["session_name", "source", "account_id", "recorded_role_id"]
    return (
        suspicious_calls(placed)
        .drop("aws")
        .join(
            findings.select("finding_id", "session_id", "source", "aws"),
            on=["session_id", "source"],
            how="inner",
        )
        .groupBy("finding_id", *session, "aws", "batch_id")
        .agg(
            F.bit_or("file_bits").alias("file_bits"),
            F.min("first_seen").alias("first_seen"),
            F.max("last_seen").alias("last_seen"),
        )
        .join(done, on=["finding_id", "batch_id"], how="left_anti")
    )


def suspicious_calls(placed: DataFrame) -> DataFrame:
    """Sightings that a finding can be made of: hidden ones as well, of a console."""
    kinds = ("direct", "service_name_only", "unreadable", "internal")
    return placed.where(F.col("kind").isin(*kinds))


def calls(
    records: DataFrame, wanted: DataFrame, max_calls: int, others: Collection[str] = ()
) -> DataFrame:
    """``schemas.FINDING_CALLS`` found in records: each event once, bounded per finding.

    Calls that a service made, or that another party sent, are left out: the ladder excuses them.
    ``others`` are the kinds of workload that are judged beside EC2 instances.
    """
    events = records.where(F.col("event_time").isNotNull())
    of_session = (
        in_session(events, others)
        .withColumnsRenamed(
            {
                "session_session_name": "session_name",
                "session_role_id": "recorded_role_id",
            }
        )
        .join(
            F.broadcast(wanted.select("session_name").distinct()),
            on="session_name",
            how="left_semi",
        )
        .withColumns(
            {
                "source": canonical_source(F.col("source_ip_address"), F.col("vpc_endpoint_id")),
                "behind": service_behind(),
                "forwarded": is_forwarded(),
                "event_key": event_key(),
                "amends": F.col("original_event_id").isNotNull(),
                "issued_access_key_id": issued_key(),
            }
        )
    )
    same = (
        (F.col("w.session_name") == F.col("e.session_name"))
        & (F.col("w.source") == F.col("e.source"))
        & (F.col("w.account_id") == F.col("e.session_account_id"))
        & F.col("w.recorded_role_id").eqNullSafe(F.col("e.recorded_role_id"))
        & ~F.col("e.forwarded")
        & (
            F.col("e.behind").isNull()
            | ((F.col("e.behind") != F.col("e.source")) & ~F.coalesce("w.aws", F.lit(False)))
        )
    )
    found = of_session.alias("e").join(F.broadcast(wanted.alias("w")), on=same, how="inner")
    return bounded(found.select("w.finding_id", "e.*"), max_calls).select(
        *schemas.FINDING_CALLS.columns
    )


def event_key() -> Column:
    """Identity of an event, equal in all its copies: facts, section 7.2.

    Cross-account copies share ``sharedEventID``, an addendum names the event it amends, and a
    record of the first years has no id at all: there its content is its identity.
    """
    content = F.sha2(
        F.concat_ws(
            "\n",
            F.col("event_time").cast("string"),
            "event_source",
            "event_name",
            "arn",
            "source_ip_address",
            "request_parameters",
        ),
        256,
    )
    shared = F.concat(F.lit("shared:"), F.col("shared_event_id"))
    return F.coalesce(shared, "original_event_id", "event_id", F.substring(content, 1, 32))


def issued_key() -> Column:
    """Key that a call gave out, as AssumeRole does: what to follow next."""
    return F.get_json_object("response_elements", "$.credentials.accessKeyId")


def bounded(found: DataFrame, max_calls: int) -> DataFrame:
    """Each event once, and at most ``max_calls`` a finding: first, last, first of each name.

    Associative: bounding the union of bounded parts gives what bounding the whole gives.
    """
    copy = Window.partitionBy("finding_id", "event_key").orderBy(
        F.desc("amends"),
        "event_time",
        "event_id",
        "input_file",
        "user_agent",
    )
    once = found.withColumn("copy", F.row_number().over(copy)).where("copy = 1")
    finding = Window.partitionBy("finding_id")
    rising = finding.orderBy("event_time", "event_key")
    falling = finding.orderBy(F.desc("event_time"), F.desc("event_key"))
    named = Window.partitionBy("finding_id", "event_source", "event_name").orderBy(
        "event_time", "event_key"
    )
    half = max_calls // 2
    return (
        once.withColumn("from_start", F.row_number().over(rising))
        .withColumn("from_end", F.row_number().over(falling))
        .withColumn("of_name", F.row_number().over(named))
        .where(
            (F.col("from_start") <= half)
            | (F.col("from_end") <= max_calls - half)
            | (F.col("of_name") == 1)
        )
        .drop("copy", "from_start", "from_end", "of_name")
    )


def findings(
    suspicious: DataFrame, evidence: DataFrame, placed: DataFrame, *, top: int, max_calls: int
) -> DataFrame:
    """``schemas.FINDINGS`` without the columns that a run gives: life cycle and run id.

    Args:
        suspicious: rows of :func:`suspicious`.
        evidence: rows of ``schemas.FINDING_CALLS``.
        placed: rows of :func:`transforms.stays.placed`: its counts serve where no calls were
            gathered, or more than can be kept; copies of an event count there.
        top: how many keys, names and agents a finding shows.
        max_calls: how many calls of a finding are kept.
    """
    within = evidence.join(
        suspicious.select("finding_id", "first_seen", "last_seen"), on="finding_id", how="inner"
    ).where(F.col("event_time").between(F.col("first_seen"), F.col("last_seen")))
    call_name = F.concat(
        F.regexp_replace("event_source", r"\.amazonaws\.com$", ""), F.lit(":"), "event_name"
    )
    rows = suspicious
    for part in (
        _counted(within),
        _seen(placed, suspicious),
        _top(within, F.col("access_key_id"), "access_key_ids", top),
        _top(within, call_name, "event_names", top),
        _top(within, F.col("user_agent"), "user_agents", top),
    ):
        rows = rows.join(part, on="finding_id", how="left")
    is_exact = F.coalesce(F.col("calls_kept") < max_calls, F.lit(False))
    note = F.when(
        F.col("calls_kept") >= max_calls,
        F.lit(" The calls are too many to keep them all: their count may include copies."),
    ).otherwise(F.lit(""))
    rows = (
        rows.withColumn(
            "calls", F.when(is_exact, F.col("calls_kept")).otherwise(F.col("calls_seen"))
        )
        .withColumn(
            "denied_calls", F.when(is_exact, F.col("denied_kept")).otherwise(F.col("denied_seen"))
        )
        .withColumn("reason", F.concat("reason", note))
    )
    return rows.select(*[c for c in schemas.FINDINGS.columns if c not in LIFE_CYCLE])


def life_cycle(
    found: DataFrame, published: DataFrame, pairs: DataFrame, *, run_at: Column, run_id: str
) -> DataFrame:
    """``schemas.FINDINGS``: new ones open, known ones kept, those excused meanwhile closed.

    Args:
        found: rows of :func:`findings`.
        published: the table as it stands.
        pairs: rows of :func:`transforms.mismatches.pairs`: why a finding is none any more.
        run_at: time of the run.
        run_id: id of the run.
    """
    known = published.select("finding_id", F.col("detected_at").alias("detected_before"))
    still_open = found.join(known, on="finding_id", how="left").select(
        *found.columns,
        F.lit("open").alias("status"),
        F.lit(None).cast("string").alias("closed_reason"),
        F.coalesce("detected_before", run_at).alias("detected_at"),
        run_at.alias("updated_at"),
        F.lit(run_id).alias("run_id"),
    )
    excused = pairs.where("excused").select(
        finding_id().alias("finding_id"), F.col("reason").alias("excused_reason")
    )
    why = F.coalesce("excused_reason", F.lit("The source is a home of the session."))
    gone = (
        published.join(found.select("finding_id"), on="finding_id", how="left_anti")
        .join(excused, on="finding_id", how="left")
        .withColumn(
            "closed_reason",
            F.when(F.col("status") == "open", why).otherwise(F.col("closed_reason")),
        )
        .withColumn(
            "updated_at", F.when(F.col("status") == "open", run_at).otherwise(F.col("updated_at"))
        )
        .withColumn(
            "run_id", F.when(F.col("status") == "open", F.lit(run_id)).otherwise(F.col("run_id"))
        )
        .withColumn("status", F.lit("closed"))
    )
    names = schemas.FINDINGS.columns
    return still_open.select(*names).union(gone.select(*names))


def _counted(within: DataFrame) -> DataFrame:
    return within.groupBy("finding_id").agg(
        F.count("event_key").alias("calls_kept"), F.count("error_code").alias("denied_kept")
    )


def _seen(placed: DataFrame, suspicious: DataFrame) -> DataFrame:
    key = ["session_id", "source"]
    return (
        suspicious_calls(placed)
        .join(suspicious.select("finding_id", *key), on=key, how="inner")
        .groupBy("finding_id")
        .agg(F.sum("calls").alias("calls_seen"), F.sum("errors").alias("denied_seen"))
    )


LIFE_CYCLE = ("status", "closed_reason", "detected_at", "updated_at", "run_id")


def _top(calls: DataFrame, value: Column, name: str, top: int) -> DataFrame:
    order = Window.partitionBy("finding_id").orderBy(F.desc("calls"), "value")
    return (
        calls.select("finding_id", F.substring(value, 1, 512).alias("value"))
        .where("value is not null")
        .groupBy("finding_id", "value")
        .agg(F.count("value").alias("calls"))
        .withColumn("place", F.row_number().over(order))
        .where(F.col("place") <= top)
        .groupBy("finding_id")
        .agg(F.array_sort(F.collect_list(F.struct("place", "value"))).alias("ranked"))
        .select("finding_id", F.transform("ranked", lambda r: r["value"]).alias(name))
    )


def _signals() -> Column:
    at_home = F.coalesce(F.array_contains("home", F.col("source")), F.lit(False))
    said = F.array(
        F.when(
            F.col("gives_way") & (F.col("first_seen") < F.col("home_since")),
            F.lit("attacker_first"),
        ),
        F.when(F.col("after_silence"), F.lit("after_silence")),
        F.when(~at_home & (F.col("first_seen") == F.col("home_since")), F.lit("tie")),
    )
    return F.concat(
        F.when(F.col("verdict") == "weak_signal", F.col("weak_signs"))
        .when(at_home, F.array().cast("array<string>"))
        .otherwise(F.col("signs")),
        F.array_compact(said),
    )
