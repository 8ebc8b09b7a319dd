"""Every table: its columns with their meaning, its key and its partitioning.

The comments below are the column comments of the Iceberg tables and the text of
``docs/tables.md``. Times are UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import types as T

STRING = T.StringType()
LONG = T.LongType()
INT = T.IntegerType()
BOOL = T.BooleanType()
TIME = T.TimestampType()
STRINGS = T.ArrayType(T.StringType())
LONGS = T.ArrayType(T.LongType())


def _struct(*columns: tuple[str, T.DataType, str]) -> T.StructType:
    return T.StructType(
        [
            T.StructField(name, kind, metadata={"comment": comment})
            for name, kind, comment in columns
        ]
    )


@dataclass(frozen=True)
class Table:
    """One Iceberg table: what a row is, its columns, key, partitioning and sort order."""

    name: str
    row: str
    schema: T.StructType
    key: tuple[str, ...]
    partitioned_by: tuple[str, ...] = ()
    sorted_by: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Column names, in order."""
        return self.schema.fieldNames()

    @property
    def time(self) -> str | None:
        """Column of time by which the table is partitioned; none where it is not by time."""
        parts = [part.partition("(") for part in self.partitioned_by]
        times = [column.rstrip(")") for kind, _, column in parts if kind in ("days", "months")]
        return times[0] if times else None


REJECT = _struct(
    ("broken", STRING, "why there is no record at all; null where there is one"),
    ("text", STRING, "text of the record, bounded"),
    ("time", STRING, "eventTime, as written"),
    ("is_time", BOOL, "eventTime can be read"),
    ("name", STRING, "eventName, as written"),
    ("source", STRING, "eventSource, as written"),
)

RECORDS = _struct(
    ("input_file", STRING, "URI of the file, as Spark reports it"),
    ("position", STRING, "where in the file: line, index in Records, or both"),
    ("reject", REJECT, "what stands where no event is; null for an event"),
    ("event_id", STRING, "eventID"),
    ("shared_event_id", STRING, "sharedEventID: equal in the copies that several accounts get"),
    ("original_event_id", STRING, "addendum.originalEventID: the event this record amends"),
    ("event_time", TIME, "eventTime, whole seconds"),
    ("event_source", STRING, "eventSource"),
    ("event_name", STRING, "eventName"),
    ("aws_region", STRING, "awsRegion"),
    ("source_ip_address", STRING, "sourceIPAddress, as written"),
    ("user_agent", STRING, "userAgent"),
    ("error_code", STRING, "errorCode"),
    ("error_message", STRING, "errorMessage"),
    ("read_only", BOOL, "readOnly"),
    ("event_category", STRING, "eventCategory"),
    ("recipient_account_id", STRING, "recipientAccountId"),
    ("vpc_endpoint_id", STRING, "vpcEndpointId, as written"),
    ("vpc_endpoint_account_id", STRING, "vpcEndpointAccountId, as written"),
    ("identity_type", STRING, "userIdentity.type"),
    ("principal_id", STRING, "userIdentity.principalId"),
    ("arn", STRING, "userIdentity.arn"),
    ("account_id", STRING, "userIdentity.accountId"),
    ("access_key_id", STRING, "userIdentity.accessKeyId"),
    ("invoked_by", STRING, "userIdentity.invokedBy"),
    ("issuer_arn", STRING, "userIdentity.sessionContext.sessionIssuer.arn"),
    ("issuer_principal_id", STRING, "userIdentity.sessionContext.sessionIssuer.principalId"),
    ("issuer_account_id", STRING, "userIdentity.sessionContext.sessionIssuer.accountId"),
    ("credential_issued_at", TIME, "userIdentity.sessionContext.attributes.creationDate"),
    ("ec2_role_delivery", STRING, "userIdentity.sessionContext.ec2RoleDelivery: 1.0 or 2.0"),
    ("in_scope_issuer_type", STRING, "userIdentity.inScopeOf.issuerType"),
    ("in_scope_issued_to", STRING, "userIdentity.inScopeOf.credentialsIssuedTo"),
    ("tls_version", STRING, "tlsDetails.tlsVersion"),
    ("tls_present", BOOL, "tlsDetails is there"),
    (
        "authentication_method",
        STRING,
        "additionalEventData.AuthenticationMethod; in text of Parquet only QueryString is told",
    ),
    ("credential_from_console", STRING, "sessionCredentialFromConsole"),
    ("request_parameters", STRING, "requestParameters, JSON text"),
    ("response_elements", STRING, "responseElements, JSON text"),
)
"""One row: one record of an input file, accepted (an event) or rejected (with its reason)."""

_SESSION = (
    ("session_id", STRING, "account, role id and session name in one text"),
    ("account_id", STRING, "account that owns the role"),
    ("role_id", STRING, "unique id of the role (AROA...)"),
    ("role_arn", STRING, "ARN of the role, with its path where CloudTrail tells it"),
    ("session_name", STRING, "role session name: the instance id for EC2"),
    (
        "session_kind",
        STRING,
        "ec2 or another workload; impersonated: it only bears the name of one",
    ),
    ("instance_id", STRING, "EC2 instance the key was issued to; for others the session name"),
)

_CLIENT = (("agent_family", STRING), ("delivery", INT), ("marks", INT))

SIGHTINGS = Table(
    "sightings",
    "a session at a source, by proof, kind of call, agent family and 6-hour bucket, per batch",
    _struct(
        ("account_id", STRING, "account that owns the role"),
        ("role_id", STRING, "unique id of the role; null where a record hides it"),
        ("role_arn", STRING, "ARN of the role, with its path where CloudTrail tells it"),
        ("session_name", STRING, "role session name: the instance id for EC2"),
        ("instance_id", STRING, "EC2 instance: from inScopeOf, else the session name"),
        ("instance_region", STRING, "region named by inScopeOf; null where it is absent"),
        ("proof", STRING, "in_scope_of, delivery, kind of workload, or the key where none is told"),
        ("source", STRING, "canonical source: address, endpoint/address, or service name"),
        ("source_kind", STRING, "public_ipv4, public_ipv6, endpoint, private, service, internal"),
        ("source_address", STRING, "canonical address of the source; null where it has none"),
        ("vpc_endpoint_id", STRING, "VPC endpoint of the source; null where there is none"),
        ("vpc_endpoint_account_id", STRING, "owner of the endpoint, as these records name it"),
        ("endpoint_region", STRING, "awsRegion of calls through an endpoint; else null"),
        ("recipient_account_id", STRING, "account whose trail delivered the records"),
        ("invoked_by", STRING, "service that made the call, where no TLS details stand beside it"),
        ("forwarded", BOOL, "signed by the session, sent by another party"),
        ("agent_family", STRING, "SDK or tool, without versions"),
        ("bucket", TIME, "start of the bucket of event time"),
        ("first_seen", TIME, "first event"),
        ("last_seen", TIME, "last event"),
        ("calls", LONG, "events, copies included"),
        ("errors", LONG, "events with an errorCode"),
        ("issued_min", TIME, "earliest issue time of the credentials used"),
        ("issued_max", TIME, "latest issue time of the credentials used"),
        ("key_age_max", LONG, "seconds from issue to use, at most"),
        ("delivery", INT, "bits: 1 IMDSv1, 2 IMDSv2, 4 not told"),
        ("marks", INT, "bits: see transforms/marks.py"),
        ("first_recon", TIME, "first reconnaissance call"),
        ("file_bits", LONG, "groups of files (64 a batch) that hold these events"),
        ("batch_id", LONG, "batch the events came in"),
    ),
    key=(),
    partitioned_by=("days(first_seen)",),
    sorted_by=("account_id", "session_name", "source"),
)

STAYS = Table(
    "stays",
    "a session's sightings at one source, by kind and agent family, gaps up to the TTL merged",
    _struct(
        *_SESSION,
        ("source", STRING, "canonical source"),
        ("source_kind", STRING, "public_ipv4, public_ipv6, endpoint, private, service, internal"),
        ("source_address", STRING, "canonical address of the source"),
        ("vpc_endpoint_id", STRING, "VPC endpoint of the source"),
        ("kind", STRING, "direct, on_behalf, internal, forwarded, service_name_only, unreadable"),
        ("agent_family", STRING, "SDK or tool, without versions"),
        ("first_seen", TIME, "first event of the stay"),
        ("last_seen", TIME, "last event of the stay"),
        ("issued_min", TIME, "earliest issue time of the credentials used"),
        ("issued_max", TIME, "latest issue time of the credentials used"),
        ("key_age_max", LONG, "seconds from issue to use, at most"),
        ("delivery", INT, "bits: 1 IMDSv1, 2 IMDSv2, 4 not told"),
        ("marks", INT, "bits: see transforms/marks.py"),
        ("first_recon", TIME, "first reconnaissance call"),
        ("instance_region", STRING, "region named by inScopeOf"),
        ("endpoint_region", STRING, "region of calls through an endpoint"),
        ("last_batch_id", LONG, "newest batch that added to it"),
    ),
    key=("session_id", "source", "kind", "agent_family", "first_seen"),
    partitioned_by=("days(first_seen)",),
)

PLACES = Table(
    "places",
    "a source that a session called from directly, and whether it was born there: what sessions "
    "say for each other",
    _struct(
        *_SESSION,
        ("source", STRING, "canonical source"),
        ("source_kind", STRING, "public_ipv4, public_ipv6, endpoint, private"),
        ("source_address", STRING, "canonical address of the source"),
        ("vpc_endpoint_id", STRING, "VPC endpoint of the source"),
        ("network", STRING, "public_ipv4, public_ipv6, private, or the VPC endpoint id"),
        ("aws", BOOL, "a public address in AWS space"),
        ("aws_region", STRING, "region of its prefix in AWS space"),
        ("prefix", STRING, "its /24, or /48 of IPv6, where it is public and outside AWS space"),
        ("own_region", STRING, "region of the session; null where nothing tells"),
        ("in_own_region", BOOL, "in AWS space of the session's region"),
        ("first_seen", TIME, "first direct call from there"),
        ("born_at", TIME, "the same, where it is the session's birth home of its network"),
        ("first_alive", TIME, "first sign of life of the session, where it was born there"),
        (
            "clients",
            T.ArrayType(_struct(*[(n, k, n) for n, k in _CLIENT])),
            "agent families, and bits of delivery and marks, seen where it was born",
        ),
    ),
    key=("session_id", "source"),
    partitioned_by=("months(first_seen)",),
)

CREDENTIALS = Table(
    "credentials",
    "one issued key: an AssumeRole that names a workload session or was made by one",
    _struct(
        ("event_id", STRING, "eventID of the AssumeRole"),
        ("access_key_id", STRING, "key that was issued; null where the record hides it"),
        ("account_id", STRING, "account of the role"),
        ("role_arn", STRING, "role that was assumed"),
        ("session_name", STRING, "roleSessionName"),
        ("issued_for", STRING, "ec2, ecs_task, eks_pod: whom a service got the key for; else null"),
        ("issued_by", STRING, "ARN or service that assumed the role"),
        ("issued_by_account_id", STRING, "account of a workload session that assumed the role"),
        ("issued_by_role_id", STRING, "role id of a workload session that assumed the role"),
        ("issued_by_session_name", STRING, "name of a workload session that assumed the role"),
        ("issued_by_key", STRING, "key that signed the AssumeRole"),
        ("issued_from", STRING, "canonical source of the AssumeRole"),
        ("issued_at", TIME, "time of the AssumeRole"),
        ("expires_at", TIME, "expiry of the key; null where the record hides it"),
        ("aws_region", STRING, "region of the AssumeRole: the instance's, where EC2 made it"),
        ("batch_id", LONG, "batch the event came in"),
    ),
    key=(),
    partitioned_by=("months(issued_at)",),
)

INVENTORY = Table(
    "inventory",
    "an account whose trail reaches us, or a VPC endpoint and its owner, as the trail names them",
    _struct(
        ("what", STRING, "account or endpoint"),
        ("id", STRING, "account id or VPC endpoint id"),
        ("owner_account_id", STRING, "owner of the endpoint; null where no event names it"),
        ("first_seen", TIME, "first event that names it"),
        ("last_seen", TIME, "last event that names it"),
        ("batch_id", LONG, "batch the events came in"),
    ),
    key=(),
)

ADDRESS_CHANGES = Table(
    "address_changes",
    "one change of who holds an address, or one life-cycle step of an instance",
    _struct(
        ("event_id", STRING, "eventID"),
        ("event_time", TIME, "time of the change"),
        (
            "change",
            STRING,
            "what happened: launch, attach, hold, associate, stop, … (see transforms/addresses.py)",
        ),
        ("account_id", STRING, "account the change belongs to"),
        ("aws_region", STRING, "region of the change"),
        ("instance_id", STRING, "instance concerned"),
        ("network_interface_id", STRING, "network interface concerned"),
        ("allocation_id", STRING, "Elastic address concerned"),
        ("vpc_id", STRING, "VPC of the interface"),
        ("vpc_endpoint_id", STRING, "VPC endpoint that was made"),
        ("association_id", STRING, "association or attachment that the change makes or ends"),
        ("address", STRING, "canonical address, or prefix that an interface was given"),
        ("made_by", STRING, "ARN of who made the change"),
        ("made_by_account_id", STRING, "account of a workload session that made the change"),
        ("made_by_role_id", STRING, "role id of a workload session that made the change"),
        ("made_by_session_name", STRING, "name of a workload session that made the change"),
        ("made_from", STRING, "canonical source of the change"),
        ("made_with_key", STRING, "access key that made the change"),
        ("batch_id", LONG, "batch the event came in"),
    ),
    key=(),
    partitioned_by=("months(event_time)",),
)

HOMES = Table(
    "homes",
    "where a session lives: one source per epoch and network, as judged",
    _struct(
        *_SESSION,
        ("epoch", INT, "count of lives of the session: a long silence starts another"),
        ("network", STRING, "public_ipv4, public_ipv6, private, or the VPC endpoint id"),
        ("source", STRING, "canonical source"),
        ("since", TIME, "first call from there in this epoch"),
        ("until", TIME, "last call from there"),
        ("corroborated_by", STRING, "ledger, egress, allow_list, aws, endpoint, private, or none"),
    ),
    key=("session_id", "epoch", "network", "source"),
    partitioned_by=("days(since)",),
)

MISMATCHES = Table(
    "mismatches",
    "the present verdict of a (session, source) pair that is not home, excused ones too",
    _struct(
        *_SESSION,
        ("source", STRING, "canonical source"),
        ("source_kind", STRING, "public_ipv4, public_ipv6, endpoint, private, service, internal"),
        ("kind", STRING, "kind of call of the worst stay"),
        ("home", STRINGS, "homes of the session, oldest first"),
        ("verdict", STRING, "rule of the ladder that decided"),
        ("excused", BOOL, "true: harmless, and reason says why"),
        ("severity", STRING, "critical, high, medium, low, informational; null where excused"),
        ("reason", STRING, "the verdict in words"),
        ("first_seen", TIME, "first call of the stays the verdict covers"),
        ("last_seen", TIME, "last call of the stays the verdict covers"),
    ),
    key=("session_id", "source"),
    partitioned_by=("months(first_seen)",),
)

FINDINGS = Table(
    "findings",
    "a suspicious (session, source): a credential used away from the workload it was issued to",
    _struct(
        ("finding_id", STRING, "hash of session and source: the same in every run"),
        ("case_id", STRING, "hash of the session: all findings of one session are one case"),
        *_SESSION,
        ("source", STRING, "where the suspicious calls came from"),
        ("source_kind", STRING, "public_ipv4, public_ipv6, endpoint, private, service, internal"),
        ("source_address", STRING, "address of the source"),
        ("vpc_endpoint_id", STRING, "VPC endpoint the calls went through"),
        ("vpc_endpoint_account_id", STRING, "account that owns that endpoint"),
        ("home", STRINGS, "homes of the session, oldest first"),
        ("home_since", TIME, "first call from home"),
        ("verdict", STRING, "rule of the ladder that decided"),
        ("severity", STRING, "critical, high, medium, low, informational"),
        ("title", STRING, "the finding in one sentence"),
        ("reason", STRING, "why, and what to do next"),
        ("signals", STRINGS, "further signs, each a word of docs/rules.md"),
        ("likely_intruder", STRING, "source, home, or unknown: which side is the thief"),
        ("first_seen", TIME, "first suspicious call"),
        ("last_seen", TIME, "last suspicious call"),
        ("calls", LONG, "suspicious calls: counted once each where finding_calls is complete"),
        ("denied_calls", LONG, "those of them with an errorCode"),
        ("access_key_ids", STRINGS, "keys used there: the 50 with most calls"),
        ("event_names", STRINGS, "service:call made there: the 50 with most calls"),
        ("user_agents", STRINGS, "user agents seen there: the 50 with most calls"),
        ("status", STRING, "open or closed"),
        ("closed_reason", STRING, "why it was closed"),
        ("detected_at", TIME, "run time at which it was first published"),
        ("updated_at", TIME, "run time at which it last changed"),
        ("run_id", STRING, "run that last changed it"),
    ),
    key=("finding_id",),
)

FINDING_CALLS = Table(
    "finding_calls",
    "one call of a finding",
    _struct(
        ("finding_id", STRING, "finding it belongs to"),
        ("event_key", STRING, "identity of the event, equal in all its copies"),
        ("event_id", STRING, "eventID"),
        ("event_time", TIME, "eventTime"),
        ("event_source", STRING, "eventSource"),
        ("event_name", STRING, "eventName"),
        ("aws_region", STRING, "awsRegion"),
        ("source", STRING, "canonical source"),
        ("access_key_id", STRING, "key that signed the call"),
        ("credential_issued_at", TIME, "when that key was issued"),
        ("user_agent", STRING, "userAgent"),
        ("error_code", STRING, "errorCode; null where the call succeeded"),
        ("read_only", BOOL, "readOnly"),
        ("request_parameters", STRING, "requestParameters, JSON text"),
        ("issued_access_key_id", STRING, "key that the call gave out: an AssumeRole from there"),
        ("amends", BOOL, "the record is an addendum: it replaces the event it amends"),
        ("input_file", STRING, "file that holds the event"),
    ),
    key=("finding_id", "event_key"),
    partitioned_by=("months(event_time)",),
    sorted_by=("finding_id", "event_time"),
)

EVIDENCE_DONE = Table(
    "evidence_done",
    "a finding whose calls in a batch have been gathered",
    _struct(
        ("finding_id", STRING, "finding"),
        ("batch_id", LONG, "batch"),
    ),
    key=("finding_id", "batch_id"),
)

REVIEWS = Table(
    "reviews",
    "what a person said of a case; the newest row of a case counts",
    _struct(
        ("case_id", STRING, "case"),
        ("state", STRING, "acknowledged, false_alarm or contained"),
        ("by", STRING, "who said it"),
        ("note", STRING, "why"),
        ("at", TIME, "when"),
    ),
    key=("case_id", "at"),
)

NOTIFICATIONS = Table(
    "notifications",
    "one message of a finding to a channel",
    _struct(
        ("finding_id", STRING, "finding"),
        ("channel", STRING, "where the message goes"),
        ("severity", STRING, "severity that was told"),
        ("state", STRING, "intended, sent or failed"),
        ("sent_at", TIME, "when"),
        ("attempt", INT, "count of attempts"),
    ),
    key=("finding_id", "channel", "severity"),
)

INPUT_FILES = Table(
    "input_files",
    "one file taken in",
    _struct(
        ("path", STRING, "absolute path or URI"),
        ("bytes", LONG, "size when listed"),
        ("modified_at", TIME, "modification time when listed"),
        ("delivery_day", T.DateType(), "day of delivery, from the path or modification time"),
        ("format", STRING, "shape it was read as"),
        ("batch_id", LONG, "batch it belongs to"),
        ("state", STRING, "claimed, counted or quarantined; only counted rows exist for readers"),
        ("token", LONG, "lease token of the run that claimed it"),
        ("summary_version", INT, "version of the summary it was read with"),
        ("events", LONG, "events accepted"),
        ("rejected", LONG, "records rejected"),
        ("min_event_time", TIME, "earliest event"),
        ("max_event_time", TIME, "latest event"),
    ),
    key=("path",),
    partitioned_by=("delivery_day",),
)

RUNS = Table(
    "runs",
    "one run of detect or maintain",
    _struct(
        ("run_id", STRING, "run"),
        ("token", LONG, "lease token it held"),
        ("started_at", TIME, "start"),
        ("finished_at", TIME, "end"),
        ("outcome", STRING, "finished or failed; maintained: a run of maintain"),
        ("error", STRING, "why it failed"),
        ("input", STRING, "where it read"),
        ("window_from", STRING, "--from"),
        ("window_to", STRING, "--to"),
        ("version", STRING, "version of credtrail"),
        ("spark_version", STRING, "version of Spark"),
        ("settings_digest", STRING, "digest of all that can change a verdict"),
        ("judged_batches", LONGS, "batches first judged by this run"),
        ("result_heads", STRING, "snapshot of each result table afterwards, JSON text"),
        ("counts", T.MapType(STRING, LONG), "files, events, rejects, passed over, verdicts, …"),
        ("seconds", T.MapType(STRING, T.DoubleType()), "seconds per stage"),
        ("coverage", T.MapType(STRING, T.DoubleType()), "what the method could not see, as shares"),
        ("quality", STRING, "result of the quality gate, JSON text"),
    ),
    key=("run_id",),
)

WRITER = Table(
    "writer",
    "the lease: one row; who holds it may judge and publish",
    _struct(
        ("token", LONG, "rises with each holder"),
        ("holder", STRING, "host and process"),
        ("until", TIME, "end of the lease"),
    ),
    key=("token",),
)

REJECTS = Table(
    "rejects",
    "one record or file that could not be used",
    _struct(
        ("path", STRING, "file"),
        ("position", STRING, "where in the file; null for a whole file"),
        ("reason", STRING, "why"),
        ("record", STRING, "its text, bounded"),
        ("rejected_on", T.DateType(), "delivery day of the file"),
        ("batch_id", LONG, "batch"),
    ),
    key=(),
    partitioned_by=("months(rejected_on)",),
)

TABLES: tuple[Table, ...] = (
    FINDINGS,
    FINDING_CALLS,
    MISMATCHES,
    HOMES,
    REVIEWS,
    STAYS,
    PLACES,
    SIGHTINGS,
    CREDENTIALS,
    INVENTORY,
    ADDRESS_CHANGES,
    INPUT_FILES,
    REJECTS,
    RUNS,
    EVIDENCE_DONE,
    NOTIFICATIONS,
    WRITER,
)
