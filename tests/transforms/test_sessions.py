"""Who a session is: the instance's own, or one that merely bears its name."""

from __future__ import annotations

import pytest

from tests.factories import THIEF, Instance, records
from tests.judged import judged, memories, verdicts
from transforms.sessions import identities, sessions

OLD = {"in_scope_issuer_type": None, "in_scope_issued_to": None, "ec2_role_delivery": None}


def _assumed_by_user(instance, hours, key, **changes):
    """A user assumes the role of an instance under the instance's id, and is issued a key."""
    user = {
        "identity_type": "IAMUser",
        "invoked_by": None,
        "arn": f"arn:aws:iam::{instance.account}:user/mallory",
        "source_ip_address": THIEF,
        "response_elements": f'{{"credentials":{{"accessKeyId":"{key}"}}}}',
    }
    return instance.assumed(hours, **{**user, **changes})


class Claims:
    """Cases, all judged in one go."""

    alone, known, spoofed, self_named, away = (
        Instance(name) for name in ("alone", "known", "spoofed", "self-named", "away")
    )
    masked, split = Instance("masked"), Instance("split")
    aws_roles = Instance("aws-roles")
    delivered, contested, contradicted, ghost, silent, elsewhere, recreated = (
        Instance(name)
        for name in (
            *("delivered", "contested", "contradicted", "ghost", "silent", "elsewhere"),
            "recreated",
        )
    )

    @classmethod
    def rows(cls):
        """All records."""
        for i in (cls.known, cls.spoofed, cls.self_named, cls.away):
            yield i.assumed(0)
            yield from (i.call(h, **OLD) for h in (0.1, 2))
        yield from (cls.alone.call(h, **OLD) for h in (0.1, 2))
        yield cls.alone.call(3, THIEF, **OLD)
        yield cls.known.call(3, THIEF, **OLD)
        yield _assumed_by_user(cls.spoofed, 0.05, "ASIASPOOF")
        yield cls.spoofed.call(0.06, THIEF, access_key_id="ASIASPOOF", **OLD)
        yield _own_assume(cls.self_named, 1, cls.self_named.home)
        yield cls.self_named.call(1.1, access_key_id="ASIAOWN", **OLD)
        yield _own_assume(cls.away, 1, "66.5.5.5")
        yield cls.away.call(1.1, "66.5.5.5", access_key_id="ASIAOWN", **OLD)
        yield cls.masked.call(0, principal_id=cls.masked.role_id, issuer_principal_id=None)
        yield cls.masked.call(1, THIEF, arn=None)
        yield cls.split.call(0, principal_id=None, issuer_principal_id=None)
        yield cls.split.call(1, THIEF)
        yield from _roles_of_aws(cls.aws_roles)
        yield from cls.by_proof()
        yield from cls.by_name()

    @classmethod
    def by_proof(cls):
        """Records of instances whose name somebody else took, too."""
        word = {**OLD, "ec2_role_delivery": "2.0"}
        yield _assumed_by_user(cls.delivered, 0, "ASIADELIVERED")
        yield from (cls.delivered.call(h, s, **word) for h, s in ((0.1, None), (3, THIEF)))
        yield cls.contested.assumed(0)
        yield _assumed_by_user(cls.contested, 0.05, "ASIACONTESTED")
        untold = {**OLD, "access_key_id": "ASIAUNTOLD"}
        yield from (cls.contested.call(h, s, **untold) for h, s in ((0.1, None), (3, THIEF)))
        yield cls.contradicted.call(0)
        yield _assumed_by_user(cls.contradicted, 1, "ASIACONTRADICTED")
        yield cls.contradicted.call(3, THIEF, **untold)

    @classmethod
    def by_name(cls):
        """Records of names that no instance has, that no call shows, and of roles of one name."""
        for box, key in ((cls.ghost, "ASIAGHOST"), (cls.silent, "ASIASILENT")):
            yield _assumed_by_user(box, 1, key)
            yield box.call(1.1, THIEF, access_key_id=key, **OLD)
        yield cls.silent.assumed(0)
        yield _assumed_by_user(Instance("elsewhere", role="OtherRole"), 0, "ASIAELSEWHERE")
        yield from (cls.elsewhere.call(h, s, **OLD) for h, s in ((0.1, None), (3, THIEF)))
        again = {
            "issuer_principal_id": "AROAAGAIN",
            "principal_id": f"AROAAGAIN:{cls.recreated.id}",
        }
        yield from (cls.recreated.call(0), cls.recreated.call(1, **again))
        yield cls.recreated.call(2, THIEF, principal_id=None, issuer_principal_id=None)


def _own_assume(instance, hours, source):
    """The instance's own session assumes the role under its own name."""
    call = instance.call(hours, source, **OLD)
    issued = _assumed_by_user(instance, hours, "ASIAOWN")
    keep = ("request_parameters", "response_elements", "event_name", "event_source")
    return {**call, **{name: issued[name] for name in keep}, "event_id": f"own-{instance.id}"}


def _roles_of_aws(instance):
    role = "AWSSystemsManagerDefaultEC2InstanceManagementRole"
    base = f"arn:aws:sts::{instance.account}:assumed-role"
    yield instance.call(0)
    for name in ("aws:ec2-instance", "aws:ec2-infrastructure", role):
        arn, principal = f"{base}/{name}/{instance.id}", f"{instance.account}:{name}:{instance.id}"
        yield instance.call(1, THIEF, arn=arn, principal_id=principal, issuer_principal_id=None)


@pytest.fixture(scope="module")
def said(spark):
    """Verdicts of all cases: {(session, source): verdict}."""
    result = judged(spark, Claims.rows())
    return {key: row.verdict for key, row in verdicts(result).items()}


@pytest.fixture(scope="module")
def strict(spark):
    """Sessions of all cases where a name is no proof: {session: kind}."""
    told = memories([records(spark, Claims.rows())])
    named = sessions(identities(told.sightings), told.credentials, accept_name_proof=False)
    return {row.session_id: row.session_kind for row in named.collect()}


def _of(said, instance):
    return {
        (session.removeprefix(instance.session_id), source): verdict
        for (session, source), verdict in said.items()
        if instance.id in session
    }


def test_a_name_is_enough_where_nothing_contradicts(said):
    """A record of 2018 has only the name: it is the instance's if nobody else assumed it."""
    assert {("", THIEF): "outside_aws"} == _of(said, Claims.alone)


def test_a_key_that_ec2_issued_is_the_instances(said):
    """EC2's AssumeRole proves the name."""
    assert {("", THIEF): "outside_aws"} == _of(said, Claims.known)


def test_a_borrowed_name_has_no_effect_on_the_instance(said):
    """A user who assumes the role under the instance's name is a finding of his own alone."""
    assert {("@impersonated", THIEF): "impersonated_session"} == _of(said, Claims.spoofed)


def test_an_application_may_use_its_own_name(said):
    """The instance's own session, from home, may name a session like the instance."""
    assert {} == _of(said, Claims.self_named)


def test_the_own_name_from_elsewhere_is_a_finding(said):
    """The same from another source is a theft, and its key's calls are findings, too."""
    assert {
        ("", "66.5.5.5"): "outside_aws",
        ("@self_assumed", "66.5.5.5"): "impersonated_session",
    } == _of(said, Claims.away)


def test_arn_and_principal_complete_each_other(said):
    """Either of arn and principalId may be missing or masked: the session is the same."""
    assert {("", THIEF): "outside_aws"} == _of(said, Claims.masked)
    assert {("", THIEF): "outside_aws"} == _of(said, Claims.split)


def test_roles_that_aws_gives_an_instance_are_not_its_own(said):
    """Calls of aws:ec2-instance and the like never count as the instance's."""
    assert {} == _of(said, Claims.aws_roles)


def test_what_aws_says_of_a_key_outdoes_a_borrowed_name(said):
    """A key with the mark of its delivery is the instance's, whoever else took the name."""
    assert {("", THIEF): "outside_aws"} == _of(said, Claims.delivered)


def test_a_key_that_no_record_names_goes_by_who_assumed_the_role(said):
    """EC2 did: it is the instance's. Only somebody else did: it is his."""
    assert {("", THIEF): "outside_aws"} == _of(said, Claims.contested)
    assert {("@impersonated", THIEF): "impersonated_session"} == _of(said, Claims.contradicted)


def test_only_names_of_workloads_that_we_know_are_borrowed(said):
    """An instance id that nothing else speaks of is any text; a key from EC2 speaks of one."""
    assert {} == _of(said, Claims.ghost)
    assert {("@impersonated", THIEF): "impersonated_session"} == _of(said, Claims.silent)


def test_another_role_under_the_same_name_contradicts_nothing(said):
    """Who takes the name in another role is no witness against the instance's own."""
    assert {("", THIEF): "outside_aws"} == _of(said, Claims.elsewhere)


def test_a_hidden_role_id_is_not_guessed(said):
    """Where a role was made again there are two ids: a call that shows none is a third session."""
    third = f"{Claims.recreated.account}/{Claims.recreated.role}/{Claims.recreated.id}"

    assert {(third, THIEF): "outside_home"} == _of(said, Claims.recreated)


def test_a_name_is_no_proof_where_a_setting_says_so(strict):
    """Then EC2 must be seen to have assumed the role."""
    assert Claims.alone.session_id not in strict
    assert strict[Claims.known.session_id] == "ec2"
