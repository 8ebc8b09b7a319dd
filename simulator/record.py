"""One CloudTrail record as it is delivered, with sane defaults.

A record is made in two steps, as background traffic makes millions of them: :func:`template` once
for each kind of call, :func:`stamp` for each event. Names and shapes are those of CloudTrail's
record reference and of public records of 2018 to 2026.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from simulator.calls import (
    Call,
    Json,
    event_type,
    host,
    is_data_event,
    is_read_only,
    logged_in,
)
from simulator.identity import Key, Machine, Role, Style, of_service
from simulator.ids import EventIds, digest, uuid
from simulator.moments import expiration
from simulator.partitions import partition
from simulator.source import Source

Record = Json

_VERSIONS = {Style.MODERN: "1.11", Style.OF_2018: "1.05"}
_DENIED = "You are not authorized to perform this operation."


@dataclass(frozen=True, slots=True)
class Setting:
    """What all calls of one caller share: its account and region, its agent, the style."""

    account: str
    region: str
    agent: str
    style: Style = Style.MODERN


def template(call: Call, source: Source, setting: Setting, service: str = "") -> Record:
    """Return a record that lacks only who, when and its ids.

    Args:
        call: what is called.
        source: where from.
        setting: by whom, and the style.
        service: the service that makes the call for somebody; empty for a client's own call.
    """
    modern = setting.style is Style.MODERN
    region = logged_in(call.service, setting.region)
    record: Record = {
        "eventVersion": _VERSIONS[setting.style],
        "userIdentity": None,
        "eventTime": "",
        "eventSource": f"{call.service}.amazonaws.com",
        "eventName": call.name,
        "awsRegion": region,
        "sourceIPAddress": source.address,
        "userAgent": setting.agent,
        **_error(call),
        "requestParameters": call.parameters,
        "responseElements": call.response,
        **({"additionalEventData": call.additional} if call.additional else {}),
        "requestID": "",
        "eventID": "",
        **({"readOnly": is_read_only(call.event)} if modern else {}),
        **_resources(call, setting.account),
        "eventType": event_type(call.event),
        **({"managementEvent": not is_data_event(call.event)} if modern else {}),
        "recipientAccountId": setting.account,
        **_endpoint(source, modern=modern),
    }
    if modern:
        record["eventCategory"] = "Data" if is_data_event(call.event) else "Management"
        if source.has_client and not service:
            name = host(call.service, region, ipv6=source.is_ipv6)
            record["tlsDetails"] = tls_details(name)
    return record


def stamp(template: Record, identity: Json, at: str, ids: EventIds) -> Record:
    """Return a record: a template with who, when (as ``eventTime`` has it) and its ids."""
    event_id, request_id = ids.take()
    return {
        **template,
        "userIdentity": identity,
        "eventTime": at,
        "requestID": request_id,
        "eventID": event_id,
    }


def tls_details(server: str) -> Json:
    """Return ``tlsDetails`` of a client's connection to a server."""
    return {
        "tlsVersion": "TLSv1.3",
        "cipherSuite": "TLS_AES_128_GCM_SHA256",
        "clientProvidedHostHeader": server,
    }


def issued_by(
    service: str, machine: Machine, key: Key, style: Style, asked: Json | None = None
) -> tuple[Record, Json]:
    """Return template and identity of a service's AssumeRole, which gives a workload a key.

    As in public records of 2018 to 2024: the identity is the service's, the address is its name,
    and the response has credentials alone.

    Args:
        service: such as ``ec2.amazonaws.com``; its name in the partition may be another.
        machine: who gets the key.
        key: which one.
        style: of the record.
        asked: what is asked for beside role and session; then the response names the session.
    """
    by = partition(machine.region).service(service)
    setting = Setting(machine.role.account, machine.region, by, style)
    call = assume_role(machine.role, machine.id, key, style, named=asked is not None)
    call = replace(call, parameters={**(call.parameters or {}), **(asked or {})})
    made = template(call, Source(by), setting, service=by)
    made["sharedEventID"] = uuid("shared", key.id)
    return made, of_service(by)


def assume_role(role: Role, session: str, key: Key, style: Style, *, named: bool = True) -> Call:
    """Return an AssumeRole that issues a key.

    Args:
        role: what is assumed.
        session: name that the caller chooses for the session.
        key: what is issued.
        style: decides how the expiration is spelt.
        named: the response names the session, too; calls of EC2 and the like lack that.
    """
    response: Json = {
        "credentials": {
            "accessKeyId": key.id,
            "sessionToken": digest("token", key.id).hex(),
            "expiration": expiration(key.expires, comma=style is Style.MODERN),
        }
    }
    if named:
        user = {"assumedRoleId": f"{role.id}:{session}", "arn": role.session_arn(session)}
        response["assumedRoleUser"] = user
    parameters = {"roleArn": role.arn, "roleSessionName": session}
    return Call("sts:AssumeRole", parameters, response, resources=(("AWS::IAM::Role", role.arn),))


def _error(call: Call) -> Json:
    if not call.error_code:
        return {}
    message = _DENIED if "Denied" in call.error_code or "Unauthorized" in call.error_code else ""
    return {"errorCode": call.error_code, "errorMessage": message or "The request failed."}


def _resources(call: Call, account: str) -> Json:
    if not call.resources:
        return {}
    named = [{"accountId": account, "type": kind, "ARN": arn} for kind, arn in call.resources]
    return {"resources": named}


def _endpoint(source: Source, *, modern: bool) -> Json:
    if not source.endpoint:
        return {}
    owner = {"vpcEndpointAccountId": source.owner} if modern and source.owner else {}
    return {"vpcEndpointId": source.endpoint, **owner}
