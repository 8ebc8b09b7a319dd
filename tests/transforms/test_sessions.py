"""Who a session is: the instance's own, or one that merely bears its name."""

from __future__ import annotations

import pytest

from tests.factories import THIEF, Instance
from tests.judged import judged, verdicts

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
