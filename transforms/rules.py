"""The ladder of verdicts: first match wins, and the order is part of the contract.

Method, section 8. A rule is one entry of ``LADDER``: a function whose name is the verdict and
whose docstring is the manual, with the condition it returns, a severity, a reason in words, and
two texts for people alone: what an analyst does next, and known ways around the rule (of an
alarm, how a thief who knows it gets past; of an excuse, how he abuses it and what stops him).
Adding a rule touches nothing else. ``{column}`` in a title or reason is a column of the row
judged; every row has all of them (see ``transforms/mismatches.py``). ``{whose}`` is the role and
account of the session, ``{workload}`` what people call its kind: instance, task, pod, function.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from transforms.sessions import BORROWED
from transforms.shared import of_another, own_endpoint
from transforms.stays import PUBLIC

LADDER_VERSION = 5
"""Rises when a verdict may come out otherwise: part of the settings digest."""

SEVERITIES = ("critical", "high", "medium", "low", "informational")

Condition = Callable[[], Column]


@dataclass(frozen=True)
class Rule:
    """One rung of the ladder.

    Attributes:
        name: the verdict.
        manual: when it holds, in words.
        holds: the condition.
        severity: how bad it is; none where it excuses.
        title: the finding in one sentence.
        reason: why, with values of the row.
        next_step: what an analyst does next; of an excuse, what he looks at if he doubts it.
        ways_around: how a thief who knows the rule gets past it, or abuses it; what stops him.
        unless: other severities, each with the condition under which it holds: the first counts.
    """

    name: str
    manual: str
    holds: Condition
    severity: str | None
    title: str
    reason: str
    next_step: str
    ways_around: str
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


def excuse(*, reason: str, next_step: str, ways_around: str) -> Callable[[Condition], Condition]:
    """Add a rule that excuses to the end of the ladder."""

    def add(holds: Condition) -> Condition:
        name, manual = holds.__name__, _manual(holds)
        LADDER.append(Rule(name, manual, holds, None, "", reason, next_step, ways_around))
        return holds

    return add


def alarm(  # noqa: PLR0913 - what must be said of a finding
    *,
    severity: str,
    title: str,
    reason: str,
    next_step: str,
    ways_around: str,
    unless: tuple[tuple[str, Condition], ...] = (),
) -> Callable[[Condition], Condition]:
    """Add a rule that makes a finding to the end of the ladder."""

    def add(holds: Condition) -> Condition:
        name, manual = holds.__name__, _manual(holds)
        texts = title, reason, next_step, ways_around
        LADDER.append(Rule(name, manual, holds, severity, *texts, unless))
        return holds

    return add


def _mismatch() -> Column:
    return F.col("outcome") == "mismatch"


def _by_address() -> Column:
    """The row is here for its address, not for signs at an undisputed home."""
    return ~F.col("weak_signal")


def _through_endpoint() -> Column:
    return _mismatch() & (F.col("source_kind") == "endpoint")


def _public() -> Column:
    return _mismatch() & F.col("source_kind").isin(*PUBLIC)


@excuse(
    reason="{source} is on the allow-list until {allow_expires} (owner {allow_owner}: "
    "{allow_reason}).",
    next_step="In doubt, ask the owner whether the entry still holds. Narrow it to an account, a "
    "role and a smaller network, and let it expire soon.",
    ways_around="Whoever can call from a listed network or endpoint is excused, whatever else "
    "speaks against him; a listed account covers every endpoint it owns. Only account, role and "
    "expiry limit that, and a console or an instance that is down is excused only by name.",
)
def allow_listed() -> Column:
    """An entry of the allow-list covers the source.

    An entry names a CIDR, a VPC endpoint or an account that owns endpoints, for one account or
    role or for all, with an owner, a reason and an expiry. The expiry is compared with the time
    of the calls, so an expired entry still excuses the past and nothing after it. A console
    session and calls of an instance that is down are excused only if the entry names these rules;
    of several entries the last to expire of those that do speaks.
    """
    return F.col("allow_owner").isNotNull()


@alarm(
    severity="high",
    unless=(("critical", _mismatch),),
    title="Credentials of {instance_id} were turned into a console session ({whose})",
    reason="The session asked for a sign-in token or used the console, from {source}. No "
    "{workload} signs in by itself: somebody turned its key into a console session, which goes on "
    "when the key has ended. {home_text} Ask who did. If nobody says so, treat the key as stolen. "
    "{do_next} Look for ConsoleLogin and for calls with sessionCredentialFromConsole.",
    next_step="Ask who opened a console with this role. If nobody says so, contain at once, then "
    "read all calls with sessionCredentialFromConsole: a browser session outlives its key.",
    ways_around="He stays with the API, or assumes another role first and opens a console with "
    "that one: then only his source and the signal `role_chaining` speak. GetSigninToken in a "
    "region that no trail delivers is not seen.",
)
def console_session() -> Column:
    """A workload's session gets a console: GetSigninToken, ConsoleLogin, console credentials.

    From any source, home included, even one that CloudTrail hides. Critical where the source is
    not home.
    """
    return F.col("console")


@alarm(
    severity="high",
    title="Credentials of {instance_id} were used while it was not running ({whose})",
    reason="{calls_came} from {source} more than half an hour after the {workload} was stopped or "
    "terminated ({down_since} UTC), and before any sign that it was started again. A machine "
    "that is off calls nobody: its key is used elsewhere, or a start is missing from the trail."
    "{own_calls} {home_text} See in EC2 whether it runs. If not, the key is stolen. {do_next_down}",
    next_step="See in EC2 whether it runs, and who stopped it. Unless a start is missing from the "
    "trail, the key lives elsewhere: contain, as stopping an instance does not end its keys.",
    ways_around="Any StartInstances ends the outage, his own as well, and a shutdown from inside "
    "the machine, which no call tells of, begins none. The first half hour is free. Only the "
    "first and last call of a stay are tested: what lies between a stop and a start passes at a "
    "source that is seen shortly before and after.",
)
def not_running() -> Column:
    """A direct call, home included, after a stop or termination and before a sign of a start.

    A start is StartInstances, or a key that EC2 issues. The first half hour is not counted.
    """
    return F.col("not_running") & (F.col("kind") == "direct")


@excuse(
    reason="An AWS service made these calls on the session's behalf (source: {source}): CloudTrail "
    "shows no client that was connected. The call that made the service act is judged by itself.",
    next_step="In doubt, find the call that made the service act, shortly before: it is the "
    "session's own and judged by its source. Put alarms on what services create with this role.",
    ways_around="He lets a service work for him, and all that it does is excused. The call that "
    "sets it going comes from him, though; and invokedBy, which AWS writes, counts only without "
    "a client's TLS details and from that service, a hidden source or AWS space.",
)
def on_behalf() -> Column:
    """An AWS service called on the session's behalf.

    ``invokedBy`` names the service, CloudTrail has no TLS details of a client, and the source is
    that same service, or hidden, or an address of AWS.
    """
    return F.col("kind") == "on_behalf"


@excuse(
    reason="CloudTrail hides the address of these calls (AWS Internal), so they cannot be compared "
    "with home. They are passed over, which does not mean that they are harmless.",
    next_step="In doubt, read the session's other calls of these hours, GetSigninToken and "
    "ConsoleLogin above all. The coverage of a run (`runs`) says how large the share of hidden "
    "calls is.",
    ways_around="What he does through a service or a page of the console that hides addresses is "
    "excused: no comparison of addresses can see it. A console itself is not: `console_session` "
    "stands before this rule and needs no address.",
)
def internal() -> Column:
    """The source is hidden: ``AWS Internal`` in any spelling.

    These calls are invisible to any method that compares addresses; coverage counts them.
    """
    return F.col("kind") == "internal"


@excuse(
    reason="The session signed this request and handed it on; {source} is the party that sent it. "
    "That is usual where EKS or Vault check an identity, and for pre-signed S3 links.",
    next_step="In doubt, compare the senders with your clusters, your Vault and those who get "
    "your links, and the objects with the bucket's access log. A policy on s3:authType or "
    "s3:signatureAge forbids or shortens such links.",
    ways_around="He signs object calls in the query string, or sends GetCallerIdentity with an "
    "agent of his choosing: excused from any address. That gives him objects (GetObject, "
    "HeadObject, PutObject, UploadPart) and no more: any other call signed so counts as direct.",
)
def forwarded() -> Column:
    """A request signed here and sent by another party.

    ``GetCallerIdentity`` by an agent that is no SDK or CLI (EKS, Vault), or an S3 object call
    signed in the query string. An SDK makes neither unless it is told to.
    """
    return F.col("kind") == "forwarded"


@excuse(
    reason="The records of address changes give {source} to the {workload} at that time. The "
    "change was made by no session of a workload, or by one at its home: not by a thief of a key.",
    next_step="In doubt, see in `address_changes` who made the change, from where and with which "
    "key, and in EC2 whether the instance has the address.",
    ways_around="A change by the stolen key, or by a session it opened, counts only if made from "
    "home; a public IPv4 address that the instance takes itself is `self_made_address`. Private "
    "addresses are compared without their VPC: at the same address of another VPC, behind an "
    "endpoint of yours, he is taken for the instance.",
)
def assigned_address() -> Column:
    """The ledger gives this very address to the instance at that time, by a trusted change.

    An Elastic address, an interface's private or IPv6 address, or a prefix. Trusted is a change
    that no workload had a hand in, or that a workload made from its home.
    """
    return _by_address() & F.col("exact")


@alarm(
    severity="high",
    title="Credentials of {instance_id} were used from another instance ({whose})",
    reason="{calls_came} from {source}, {neighbour_text}. {or_else} {home_text} Look at both "
    "machines: what runs there, and who logged in. If nothing harmless explains it, treat the key "
    "as stolen. {do_next}",
    next_step="Look at both machines: what runs on the other one, and who logged in there. If "
    "both leave by one gateway, put its address on the allow-list; hardly anything else is "
    "harmless.",
    ways_around="He uses a machine that is not known to hold its address: one that was launched "
    "before the trail began and does not call with its own role, a task, a pod, an interface of "
    "no instance. At a public address that is still `inside_aws`, behind your own endpoint it "
    "passes as `known_endpoint`, and at a shared egress as `shared_egress`.",
)
def another_workload() -> Column:
    """Another instance holds the address: by the ledger, or by being born there and alive.

    Alive is in the same bucket of time or one beside it. A source that many share is egress and
    speaks of nobody; only the ledger overrules this rule.
    """
    return _mismatch() & of_another()


@excuse(
    reason="The {workload} was started, or an Elastic address was given to it or taken from it, "
    "and no record names the address that it has since. {source} is the first new one after that, "
    "in AWS space of its region, and the former one fell silent.",
    next_step="In doubt, see in `address_changes` who made the change, and in EC2 whether the "
    "address is the instance's.",
    ways_around="After a start, or a change whose address no record names, he calls from AWS "
    "space of the region before the instance does. It works for one address, if the former one "
    "falls silent, and uses the change up: the instance's own new address then stands out. A "
    "change of his own is trusted only if another stolen principal made it, or two AssumeRole "
    "calls on: trust follows one.",
)
def moved() -> Column:
    """A trusted change permits the instance one new public IPv4 address, and this is it.

    AssociateAddress or DisassociateAddress whose resulting address no record names, or
    StartInstances: the first new address in AWS space of the own region within a day. Nothing
    moved if the former address goes on, unless a recorded change gave it back.
    """
    return _by_address() & F.col("permitted")


@excuse(
    reason="After a silence longer than keys live the session came back from {source}, an address "
    "like its former one, which fell silent: as when the {workload} is stopped and started.",
    next_step="In doubt, look for StartInstances in the event history of EC2, and compare client "
    "and calls with those at the former address. A call at every boot and one an hour leave no "
    "silence to use.",
    ways_around="He waits for the silence and comes from AWS space of the instance's region, or "
    "from the /24 of a home outside AWS. What stops him: in AWS space, signals of two groups; a "
    "former address that goes on, is shared or is a kept Elastic one; keys that EC2 issues "
    "meanwhile, which are signs of life.",
)
def restarted() -> Column:
    """The instance was stopped and started, and got one new public address.

    Silence longer than issued keys live, then one new address like for like: in AWS space of the
    session's own region after such a one, otherwise in the same /24 (IPv6 /48). The former
    address must fall silent, and must not be one that many share.
    """
    return F.col("outcome") == "restarted"


@excuse(
    reason="{source} is an egress that instances share ({egress_basis}): the address says nothing "
    "about this one.",
    next_step="In doubt, ask what else speaks for the instance: the address says nothing. "
    "Endpoints for what matters show private addresses instead, and a higher `method.neighbours` "
    "makes fewer egresses.",
    ways_around="On any machine behind the same gateway, proxy or office line he is excused, and "
    "so is whoever sits on an instance that forwards. To make an egress himself he needs the "
    "keys of N young instances of the region (outside AWS, N and a fifth of the account's) and "
    "must be first to use them in that network; borrowed names do not count.",
)
def shared_egress() -> Column:
    """The source is shared by many instances, such as a NAT gateway or a company's egress.

    By the ledger: an address of a NAT gateway, or of an instance that forwards. By births: N
    other instances of the same region were first seen there; outside AWS space the /24 (IPv6 /48)
    counts, and takes N and a fifth of the account's instances. Or the fleet moved: N others, and
    half of those at the former address, came here in the same move, which may take some minutes.
    """
    return _public() & (F.col("egress") | F.col("moved_fleet"))


@excuse(
    reason="{source} is behind an endpoint of yours ({endpoint_basis}), and no other instance is "
    "known to have that address.",
    next_step="In doubt, find the interface that holds the address. List your accounts in "
    "`accounts.ours`, so that no endpoint has to be assumed yours; a policy that compares "
    "aws:EC2InstanceSourcePrivateIPv4 with aws:VpcSourceIp forbids such calls.",
    ways_around="He works inside your network from an address that no record gives to another "
    "instance: a machine from before the trail, a container, a function. `another_workload` "
    "stands before this rule: it knows addresses from launches and changes in the trail, and "
    "those of instances that were born there and are alive.",
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
    title="{instance_id} gave itself the address {source} ({whose})",
    reason="{calls_came} from {source}, an address that the {workload}'s own session gave it, from "
    "its home. Software for failover or a VPN does that; a thief who works through the {workload} "
    "can do it, too. {home_text} Ask whether this {workload} is meant to move addresses. If not, "
    "look at the machine itself, and treat the key as stolen. {do_next}",
    next_step="Ask whether software on the instance is meant to move addresses, such as a "
    "failover or a VPN. If not, the change came through the instance: look at the machine itself.",
    ways_around="He changes addresses through the instance, then calls from there with the client "
    "and habits of home: that stays low, and calls of low findings are not gathered by default. "
    "One signal makes it high, and a change from anywhere but home explains nothing.",
)
def self_made_address() -> Column:
    """The session itself, from its home, made the change that explains this public IPv4 address.

    High where a signal speaks against the source as well.
    """
    return _by_address() & F.col("self_made")


@alarm(
    severity="critical",
    unless=(("low", lambda: F.col("speaks_for_endpoint")),),
    title="Credentials of {instance_id} were used through a VPC endpoint of a foreign account "
    "({whose})",
    reason="{calls_came} through {vpc_endpoint_id}, which account {endpoint_owner} owns. "
    "{owner_text} {home_text} {do_next_endpoint}",
    next_step="Find out whose account owns the endpoint. If it is yours or a partner's, list it "
    "in `accounts.ours` or on the allow-list; if not, contain at once: there is no honest way "
    "into somebody else's VPC.",
    ways_around="He keeps to calls that log no endpoint (`unknown_private`), or no owner while no "
    "other record names it (`unknown_endpoint`), or he leaves by a public address. If N "
    "instances and a fifth of the account's are first seen behind his endpoint, as launch "
    "templates in his hands can bring about, it passes for yours and is told once, as low.",
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
    title="Credentials of {instance_id} were used through an unknown VPC endpoint ({whose})",
    reason="{calls_came} through {vpc_endpoint_id}. No record names its owner, and too few of your "
    "instances were first seen behind it to take it for yours. {home_text} Look the endpoint up in "
    "every account and region of yours. If it is there, put it on the allow-list; if not, treat "
    "the key as stolen. {do_next}",
    next_step="Look the endpoint up in every account and region of yours. If it is there, put it "
    "on the allow-list; if not, contain.",
    ways_around="If the endpoint is the first source of the session, it becomes its home. Where a "
    "service logs no endpoint, only the private address is left, and in a VPC of his own he may "
    "choose that of the instance.",
)
def unknown_endpoint() -> Column:
    """Calls came through a VPC endpoint whose owner is unknown and which is not ours by births."""
    return _through_endpoint() & F.col("endpoint_owner").isNull() & ~F.col("endpoint_ours")


@alarm(
    severity="medium",
    title="Credentials of {instance_id} were used from behind the service name {source} ({whose})",
    reason="{calls_came} from {source}, a service's name in place of an address, yet nothing tells "
    "that this service called on the session's behalf. Whoever works inside such a service "
    "(AppStream, for one) is shown by its name. {home_text} Find out whether you use this service, "
    "and who was in it then. If it was nobody of yours, treat the key as stolen. {do_next}",
    next_step="Find out whether you use that service, and who was in it then: its own events name "
    "the person. If it was nobody of yours, contain.",
    ways_around="He uses a service that CloudTrail shows as AWS Internal (`internal`), or one "
    "that calls in its own name without a client's TLS details (`on_behalf`).",
)
def hidden_service_source() -> Column:
    """The source is a service name, but the call was not made on the session's behalf.

    A known way to hide an address: a person inside such a service (AppStream, for one) is shown
    as the service.
    """
    return F.col("kind") == "service_name_only"


@alarm(
    severity="medium",
    title="Role {role} of account {account_id} was assumed under the name of {session_name}",
    reason="The role was assumed under the session name {session_name}, that of a workload of "
    "yours, and used from {source}. {assumer} {borrower}",
    next_step="Ask the principal that the reason names why it took this name. If nobody can say, "
    "treat that principal as stolen: the workload's own keys are not at stake.",
    ways_around="He takes a name that no workload of yours has: then his session is not judged at "
    "all. If the workload's own session takes the name from its home, as a thief on the machine "
    "can, it passes for what applications do.",
)
def impersonated_session() -> Column:
    """A principal that is no AWS service named a session like a workload that is known to us.

    Any caller may choose a session name. It is harmless where the workload's own session did it
    from home, as applications do; such sessions are not judged.
    """
    return F.col("session_kind").isin(*BORROWED)


@alarm(
    severity="medium",
    title="{instance_id} was only ever seen outside AWS ({whose})",
    reason="Every call of this session came from outside AWS address space, these from {source}. "
    "Nothing tells that this is an egress of yours: too few others were first seen near it (it "
    "takes {n}, and a fifth of the account's). Ask how the {workload} reaches AWS. If through a "
    "network of yours, put that on the allow-list; if not, all that is known of the key is the "
    "thief. {do_next}",
    next_step="Ask how the instance reaches AWS. If by a network of yours, put that on the "
    "allow-list; if not, all that is known of the key is the thief: contain.",
    ways_around="He comes first, and from AWS space or an endpoint of unknown owner: that is "
    "home. Once the session is seen anywhere else than at such uncorroborated addresses, this "
    "rule is silent; he who came first then stays home, unless the other source is AWS space of "
    "the region, an endpoint of yours, or one that the ledger gives it.",
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
    title="Credentials of {instance_id} were used from another machine inside AWS ({whose})",
    reason="{calls_came} from {source}, an AWS address ({aws_region}) that is neither this "
    "{workload}'s home nor an egress it shares. {home_text}{how_new} Find out who holds the "
    "address, in every account and region of yours. If it is a gateway, an Elastic address or an "
    "interface that this {workload} uses, put it on the allow-list; if it is nobody's, somebody "
    "uses the key on a machine of his own. {do_next}",
    next_step="Find out who holds the address, in every account and region of yours. If it is an "
    "instance, gateway or Elastic address that this instance uses, put it on the allow-list; if "
    "it is nobody's, contain.",
    ways_around="He shares the instance's egress (`shared_egress`), or comes from its region: by "
    "a further network soon after its birth, after a silence, or after a change of address "
    "(home, `restarted`, `moved`). With the client and habits of home he stays at medium after a "
    "silence, or by a network that the instance never used.",
)
def inside_aws() -> Column:
    """Calls came from a public address inside AWS space that is not the session's home.

    Medium where it is the first source of its network or follows a long silence, unless a signal
    speaks against it as well.
    """
    return _public() & F.col("aws")


@alarm(
    severity="high",
    title="Credentials of {instance_id} were used from outside AWS ({whose})",
    reason="{calls_came} from {source}, which is outside AWS address space. {home_text}{how_new} "
    "Keys are issued to the {workload} alone: either it leaves by this address, through a network "
    "of yours, or somebody took a key and uses it there. Look the address up in whois and in your "
    "lists of offices, VPNs and data centres. If nobody claims it by name, treat the key as "
    "stolen. {do_next}",
    next_step="Look the address up in whois and in your lists of offices, VPNs and data centres. "
    "If nobody claims it by name, contain now, then read what succeeded.",
    ways_around="He sends his calls through the instance, from a shared egress or a listed "
    "network, or from a machine that he rents in AWS (`inside_aws`). Calls without an address "
    "are matters of `internal` and `hidden_service_source`, object calls signed in the query "
    "string one of `forwarded`.",
)
def outside_aws() -> Column:
    """Calls came from a public address outside AWS space: the classic theft."""
    return _public()


@alarm(
    severity="medium",
    unless=(("low", lambda: F.col("others_private") >= F.col("n")),),
    title="Credentials of {instance_id} were used from an unknown private address ({whose})",
    reason="{calls_came} from {source}, a private address that is part of no home of this session; "
    "CloudTrail names no VPC endpoint for it. {home_text} {like_text} Find the interface that "
    "holds the address, in every VPC and network of yours. If it belongs to this {workload}, put "
    "it on the allow-list; if not, treat the key as stolen. {do_next}",
    next_step="Find the interface that holds the address, in every VPC and network that yours "
    "reach. It is harmless only if it belongs to this instance.",
    ways_around="In a VPC of his own he chooses the address of a home behind an endpoint, and "
    "calls services that log no endpoint: the session's first such source is home. N other "
    "instances of the account with such calls make it low, theft or not.",
)
def unknown_private() -> Column:
    """A private address, no endpoint, and not the address part of any home of the session."""
    return (
        _mismatch()
        & (F.col("source_kind") == "private")
        & ~F.array_contains("home_addresses", F.col("source_address"))
    )


@alarm(
    severity="low",
    title="Credentials of {instance_id} behave as never before, from home ({whose})",
    reason="{source} is home, so the address does not speak against these calls, but signs do: "
    "{signs_text}. It may be a new deployment, or a thief: behind the same egress, on the "
    "{workload} itself, or one who makes it send his requests (SSRF). Ask who runs that client "
    "there. If nobody does, treat the key as stolen, and look at the machine, too. {do_next}",
    next_step="Ask who runs that client: a new deployment looks the same. If nobody does, read "
    "the calls from home since it appeared, and look at the machine and at whatever shares its "
    "egress.",
    ways_around="He uses a client that another workload of the role has, or does nothing with it "
    "that is a sign: he looks around only after an hour. Nothing is said where the role has no N "
    "others to compare with, of sources on the allow-list, or while `method.weak_signals` is off.",
)
def weak_signal() -> Column:
    """Signs of a thief at an undisputed home: a hint, off unless ``method.weak_signals`` is on.

    A client that no other workload of the role shows, where N others can say so, and one more
    sign: it looks around, assumes a role, blinds the detector, or has a key past its life.
    """
    return F.col("weak_signal")


@alarm(
    severity="medium",
    unless=(("informational", lambda: F.col("kind") == "unreadable"),),
    title="Calls of {instance_id} came from a source that no rule explains ({whose})",
    reason="{calls_came} from {source} ({source_kind}), and no rule says what that is. "
    "{home_text} Read the calls and their source as recorded. If nobody can explain them, treat "
    "the key as stolen. {do_next}",
    next_step="Read the calls and their source as recorded, and decide.",
    ways_around="Nothing gets past it: it takes whatever is left. A source that is no address and "
    "no name is only informational, and calls of such findings are not gathered by default.",
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
    goes_on = follows & _mismatch() & severity.isNotNull()
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
