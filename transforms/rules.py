"""The ladder of verdicts: first match wins, and the order is part of the contract.

Method, section 8. A rule is one entry of ``LADDER``: a function whose name is the verdict and
whose docstring is the manual, with the condition it returns, a severity and a reason in words.
Adding a rule touches nothing else. ``{column}`` in a title or reason is a column of the row
judged; every row has all of them (see ``transforms/mismatches.py``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from transforms.shared import of_another, own_endpoint
from transforms.stays import PUBLIC

LADDER_VERSION = 2
"""Rises when a verdict may come out otherwise: part of the settings digest."""

SEVERITIES = ("critical", "high", "medium", "low", "informational")

Condition = Callable[[], Column]


@dataclass(frozen=True)
class Rule:
    """One rung: name, manual, condition, severity (none where it excuses), title and reason.

    ``unless`` are other severities, each with the condition under which it holds: the first of
    them counts.
    """

    name: str
    manual: str
    holds: Condition
    severity: str | None
    title: str
    reason: str
    unless: tuple[tuple[str, Condition], ...] = ()

    @property
    def excuses(self) -> bool:
        """Tell whether the rule makes a mismatch harmless."""
        return self.severity is None

    @property
    def levels(self) -> str:
        """Severities it may have, for people."""
        return " or ".join([f"{self.severity}", *[severity for severity, _ in self.unless]])

    def level(self) -> Column:
        """Severity of a row for which the rule holds."""
        return F.coalesce(
            *[F.when(holds(), F.lit(severity)) for severity, holds in self.unless],
            F.lit(self.severity),
        )


LADDER: list[Rule] = []


def _manual(holds: Condition) -> str:
    if not holds.__doc__:
        msg = f"rule {holds.__name__} has no docstring: it is the manual"
        raise ValueError(msg)
    return holds.__doc__


def excuse(*, reason: str) -> Callable[[Condition], Condition]:
    """Add a rule that excuses to the end of the ladder."""

    def add(holds: Condition) -> Condition:
        LADDER.append(Rule(holds.__name__, _manual(holds), holds, None, "", reason))
        return holds

    return add


def alarm(
    *, severity: str, title: str, reason: str, unless: tuple[tuple[str, Condition], ...] = ()
) -> Callable[[Condition], Condition]:
    """Add a rule that makes a finding to the end of the ladder."""

    def add(holds: Condition) -> Condition:
        name, manual = holds.__name__, _manual(holds)
        LADDER.append(Rule(name, manual, holds, severity, title, reason, unless))
        return holds

    return add


def _mismatch() -> Column:
    return F.col("outcome") == "mismatch"


def _through_endpoint() -> Column:
    return _mismatch() & (F.col("source_kind") == "endpoint")


def _public() -> Column:
    return _mismatch() & F.col("source_kind").isin(*PUBLIC)


@excuse(
    reason="{source} is on the allow-list until {allow_expires} (owner {allow_owner}: "
    "{allow_reason})."
)
def allow_listed() -> Column:
    """An entry of the allow-list covers the source.

    An entry names a CIDR, a VPC endpoint or an account that owns endpoints, for one account or
    role or for all, with an owner, a reason and an expiry. The expiry is compared with the time
    of the calls, so an expired entry still excuses the past and nothing after it. A console
    session and calls of an instance that is down are excused only if the entry names these rules.
    """
    rules = F.coalesce("allow_rules", F.array().cast("array<string>"))
    return (
        F.col("allow_owner").isNotNull()
        & (~F.col("console") | F.array_contains(rules, "console_session"))
        & (~F.col("not_running") | F.array_contains(rules, "not_running"))
    )


@alarm(
    severity="high",
    unless=(("critical", _mismatch),),
    title="Credentials of {instance} were turned into a console session",
    reason="From {source} the session asked for a sign-in token or used the console. An instance "
    "has no hands: somebody turned its key into a console login, which goes on when the key "
    "has ended. {home_text} Look for ConsoleLogin and for calls with "
    "sessionCredentialFromConsole. {do_next}",
)
def console_session() -> Column:
    """An instance's session gets a console: GetSigninToken, ConsoleLogin, console credentials.

    From any source, home included. Critical where the source is not home.
    """
    return F.col("console")


@alarm(
    severity="high",
    title="Credentials of {instance} were used while it was not running",
    reason="{calls_came} from {source} more than half an hour after the instance was stopped or "
    "terminated ({down_since} UTC), and before any sign that it was started again. A machine "
    "that is off calls nobody: its keys live on elsewhere. {home_text} {do_next}",
)
def not_running() -> Column:
    """A direct call, home included, after a stop or termination and before a sign of a start.

    A start is StartInstances, or a key that EC2 issues. The first half hour is not counted.
    """
    return F.col("not_running") & (F.col("kind") == "direct")


@excuse(reason="{source} made the call on behalf of this session: no client was connected.")
def on_behalf() -> Column:
    """An AWS service called on the session's behalf.

    ``invokedBy`` names the service, CloudTrail has no TLS details of a client, and the source is
    that same service, or hidden, or an address of AWS.
    """
    return F.col("kind") == "on_behalf"


@excuse(reason="CloudTrail hides the address of this call (AWS Internal): it cannot be judged.")
def internal() -> Column:
    """The source is hidden: ``AWS Internal`` in any spelling.

    These calls are invisible to any method that compares addresses; coverage counts them.
    """
    return F.col("kind") == "internal"


@excuse(
    reason="The session signed this request and handed it on; {source} is the party that sent it. "
    "Common where EKS or Vault check an identity, and for pre-signed S3 links."
)
def forwarded() -> Column:
    """A request signed here and sent by another party.

    ``GetCallerIdentity`` by an agent that is no SDK or CLI (EKS, Vault), or an S3 object call
    signed in the query string. A thief with an SDK makes neither.
    """
    return F.col("kind") == "forwarded"


@excuse(
    reason="{source} was given to the instance by a change that no thief of its key made: the "
    "ledger of addresses names it."
)
def assigned_address() -> Column:
    """The ledger gives this very address to the instance at that time, by a trusted change.

    An Elastic address, an interface's private or IPv6 address, or a prefix. Trusted is a change
    that no workload had a hand in, or that a workload made from its home.
    """
    return F.col("exact")


@alarm(
    severity="high",
    title="Credentials of {instance} were used from another instance",
    reason="{calls_came} from {source}, where {neighbour_text} lives at that time, and which is no "
    "egress that many share. Either the key was carried over to that machine, or both stand "
    "behind a gateway that too few use to be known. {home_text} Look at both machines. {do_next}",
)
def another_workload() -> Column:
    """Another instance holds the address: by the ledger, or by being born there and alive.

    Alive is in the same or the next bucket of time. A source that many share is egress and
    speaks of nobody; only the ledger overrules this rule.
    """
    return _mismatch() & of_another()


@excuse(
    reason="{source} is the first new address after a change that lets the instance have one (a "
    "start, or an Elastic address that no record names), and the former one fell silent."
)
def moved() -> Column:
    """A trusted change permits the instance one new public IPv4 address, and this is it.

    AssociateAddress or DisassociateAddress whose resulting address no record names, or
    StartInstances: the first new address in AWS space of the own region within a day. Nothing
    moved if the former address goes on, unless a recorded change gave it back.
    """
    return F.col("permitted")


@excuse(
    reason="After a silence of more than the TTL the session came back from {source}, an address "
    "like its former one, which fell silent: the instance was stopped and started."
)
def restarted() -> Column:
    """The instance was stopped and started, and got one new public address.

    Silence longer than issued keys live, then one new address like for like: in AWS space of the
    session's own region after such a one, otherwise in the same /24 (IPv6 /48). The former
    address must fall silent, and must not be one that many share.
    """
    return F.col("outcome") == "restarted"


@excuse(
    reason="{source} is an egress that instances share ({egress_basis}): it says nothing about "
    "this one."
)
def shared_egress() -> Column:
    """The source is shared by many instances, such as a NAT gateway or a company's egress.

    By the ledger: an address of a NAT gateway, or of an instance that forwards. By births: N
    other instances of the same region were first seen there; outside AWS space the /24 (IPv6 /48)
    counts, and takes N and a fifth of the account's instances. Or the fleet moved: N others, and
    half of those at the former address, came here in the same move.
    """
    return _public() & (F.col("egress") | F.col("moved_fleet"))


@excuse(
    reason="{vpc_endpoint_id} is an endpoint of ours ({endpoint_basis}), and nobody else holds "
    "that address."
)
def known_endpoint() -> Column:
    """A VPC endpoint of ours, at an address that no other interface is known to hold.

    Ours by its owner, or assumed ours because N other instances and a fifth of the account's were
    first seen behind it.
    """
    return _through_endpoint() & own_endpoint() & ~F.col("speaks_for_endpoint")


@alarm(
    severity="low",
    unless=(("high", lambda: F.col("signal_groups") > 0),),
    title="{instance} gave itself the address {source}",
    reason="{calls_came} from {source}, an address that the instance's own session took, from its "
    "home. Some fleets do that; a thief who works through the instance can do it, too. "
    "{home_text} Ask whether this instance is meant to manage addresses.",
)
def self_made_address() -> Column:
    """The session itself, from its home, made the change that explains this public IPv4 address.

    High where a signal speaks against the source as well.
    """
    return F.col("self_made")


@alarm(
    severity="critical",
    unless=(("low", lambda: F.col("speaks_for_endpoint")),),
    title="Credentials of {instance} were used through a VPC endpoint of a foreign account",
    reason="{calls_came} through {vpc_endpoint_id}, which account {endpoint_owner} owns. "
    "{owner_text} {home_text} {do_next_endpoint}",
)
def foreign_endpoint() -> Column:
    """Calls came through a VPC endpoint that another organisation's account owns.

    The thief works from an instance in his own VPC, where CloudTrail shows a private address of
    his choice. If the account is yours, list it in ``accounts.ours``. An endpoint behind which N
    instances and a fifth of the account's were born is assumed ours: that is told once, as low.
    """
    foreign = (
        _through_endpoint()
        & F.col("endpoint_owner").isNotNull()
        & ~F.col("owner_is_ours")
        & ~F.col("endpoint_assumed")
    )
    return foreign | F.col("speaks_for_endpoint")


@alarm(
    severity="high",
    title="Credentials of {instance} were used through an unknown VPC endpoint",
    reason="{calls_came} through {vpc_endpoint_id}, whose owner no record names and behind which "
    "too few of your instances were first seen. {home_text} Look the endpoint up in your "
    "accounts; if it is not there, treat the key as stolen. {do_next}",
)
def unknown_endpoint() -> Column:
    """Calls came through a VPC endpoint whose owner is unknown and which is not ours by births."""
    return _through_endpoint() & F.col("endpoint_owner").isNull() & ~F.col("endpoint_ours")


@alarm(
    severity="medium",
    title="Credentials of {instance} were used from behind the service name {source}",
    reason="{calls_came} from {source}, yet no service made them on the session's behalf. Some "
    "services hide the address of whoever uses them. {home_text} {do_next}",
)
def hidden_service_source() -> Column:
    """The source is a service name, but the call was not made on the session's behalf.

    A known way to hide an address: a person inside such a service (AppStream, for one) is shown
    as the service.
    """
    return F.col("kind") == "service_name_only"


@alarm(
    severity="medium",
    title="A session that is not {instance} bears its name",
    reason="Another principal assumed {role_arn} under the session name {session_name}, the id of "
    "an instance of yours, and called from {source}. {assumer} This has no effect on the "
    "instance itself. Ask who assumed the role, and why under this name.",
)
def impersonated_session() -> Column:
    """A principal other than EC2 named a session like an instance that is known to us.

    Any caller may choose a session name. It is harmless where the instance's own session did it
    from home, as applications do; such sessions are not judged.
    """
    return F.col("session_kind") != "ec2"


@alarm(
    severity="medium",
    title="{instance} was only ever seen outside AWS",
    reason="Every call of this session came from outside AWS address space ({source}), and nothing "
    "corroborates that it is your egress: fewer than {n} other instances were first seen "
    "near it. Either the instance reaches AWS through a network of yours, then put that on the "
    "allow-list, or all that CloudTrail shows of this key is the thief. {do_next}",
)
def outside_home() -> Column:
    """A session never showed anything but uncorroborated public sources outside AWS space.

    Its first source is home for want of a better one, and stands as a finding itself.
    """
    return (F.col("outcome") == "home") & F.col("never_corroborated")


@alarm(
    severity="high",
    unless=(
        (
            "medium",
            lambda: (
                (F.col("first_of_network") | F.col("after_silence")) & (F.col("signal_groups") == 0)
            ),
        ),
    ),
    title="Credentials of {instance} were used from another machine inside AWS",
    reason="{calls_came} from {source}, an AWS address ({aws_region}) that is neither this "
    "instance's home nor an egress it shares. {home_text}{how_new} Check whether that address "
    "belongs to one of your accounts; if it does not, somebody runs the key on his own "
    "instance. {do_next}",
)
def inside_aws() -> Column:
    """Calls came from a public address inside AWS space that is not the session's home.

    Medium where it is the first source of its network or follows a long silence, unless a signal
    speaks against it as well.
    """
    return _public() & F.col("aws")


@alarm(
    severity="high",
    title="Credentials of {instance} were used from outside AWS",
    reason="{calls_came} from {source}, which is outside AWS address space. {home_text} The key "
    "was issued to the instance alone, so somebody took it and runs it elsewhere. {do_next}",
)
def outside_aws() -> Column:
    """Calls came from a public address outside AWS space: the classic theft."""
    return _public()


@alarm(
    severity="medium",
    unless=(("low", lambda: F.col("others_private") >= F.col("n")),),
    title="Credentials of {instance} were used from an unknown private address",
    reason="{calls_came} from {source}, a private address without a VPC endpoint that no home of "
    "this session has. {home_text} {like_text} {do_next}",
)
def unknown_private() -> Column:
    """A private address, no endpoint, and not the address part of any home of the session."""
    return (
        _mismatch()
        & (F.col("source_kind") == "private")
        & ~F.array_contains("home_addresses", F.col("source_address"))
    )


@alarm(
    severity="medium",
    unless=(("informational", lambda: F.col("kind") == "unreadable"),),
    title="Calls of {instance} came from a source that no rule explains",
    reason="{calls_came} from {source} ({source_kind}), and no rule says what that is. "
    "{home_text} Read the calls and decide. {do_next}",
)
def unclassified() -> Column:
    """Anything else: the ladder always ends. Informational where the source is unreadable."""
    return F.col("outcome").isNotNull()


def verdict_columns() -> dict[str, Column]:
    """``rung`` (1 is first), ``verdict``, ``excused``, ``severity`` and ``level`` of a row.

    ``level`` counts from 0 (critical); excused rows have none. A home that no rule objects to
    must be left out before: the last rule takes everything.
    """
    rung = F.coalesce(*[F.when(rule.holds(), F.lit(i)) for i, rule in enumerate(LADDER, start=1)])
    at = F.col("rung")
    plain = F.coalesce(
        *[F.when(at == i, r.level()) for i, r in enumerate(LADDER, start=1) if r.severity]
    )
    severity = _raised(plain)
    return {
        "rung": rung,
        "verdict": F.get(F.array(*[F.lit(r.name) for r in LADDER]), at - 1),
        "excused": F.get(F.array(*[F.lit(r.excuses) for r in LADDER]), at - 1),
        "severity": severity,
        "level": F.array_position(F.array(*[F.lit(s) for s in SEVERITIES]), F.col("severity")),
    }


FOLLOW_UPS = ("role_chaining", "console_pivot", "tampering")
"""Signals that raise a finding's severity by one step: the thief has gone on from there."""


def _raised(severity: Column) -> Column:
    scale = F.array(*[F.lit(s) for s in SEVERITIES])
    place = F.array_position(scale, severity).cast("int")
    follows = F.arrays_overlap("signs", F.array(*[F.lit(s) for s in FOLLOW_UPS]))
    goes_on = follows & (F.col("outcome") != "home") & severity.isNotNull()
    return F.when(goes_on, F.get(scale, F.greatest(place - 2, F.lit(0)))).otherwise(severity)


def in_words(part: str) -> Column:
    """Title or reason (``part``) of the rule at ``rung``, with the row's values filled in."""
    return F.coalesce(
        *[
            F.when(F.col("rung") == i, _filled(getattr(rule, part)))
            for i, rule in enumerate(LADDER, start=1)
        ]
    )


def _filled(template: str) -> Column:
    parts = re.split(r"\{(\w+)\}", template)
    texts = [
        F.coalesce(F.col(p).cast("string"), F.lit("unknown")) if i % 2 else F.lit(p)
        for i, p in enumerate(parts)
        if p
    ]
    return F.regexp_replace(F.concat(*texts), " +", " ") if texts else F.lit("")
