"""A record as a row of Athena's table of CloudTrail: lower-case names, and text where it can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa

from simulator.record import Record

_TEXT = pa.string()
_Cell = Callable[[object], object]


def _struct(*names: str, **others: pa.DataType) -> pa.StructType:
    texts = {name: _TEXT for name in names}
    return pa.struct(list((texts | others).items()))


_USER_IDENTITY = _struct(
    "type",
    "principalid",
    "arn",
    "accountid",
    "invokedby",
    "accesskeyid",
    "username",
    onbehalfof=_struct("userid", "identitystorearn"),
    sessioncontext=_struct(
        attributes=_struct("mfaauthenticated", "creationdate"),
        sessionissuer=_struct("type", "principalid", "arn", "accountid", "username"),
        ec2roledelivery=_TEXT,
        webidfederationdata=_struct("federatedprovider", attributes=pa.map_(_TEXT, _TEXT)),
    ),
    inscopeof=_struct("issuertype", "credentialsissuedto", "sourcearn", "sourceaccount"),
)

_FIELDS: Mapping[str, pa.DataType] = {
    "eventVersion": _TEXT,
    "userIdentity": _USER_IDENTITY,
    "eventTime": _TEXT,
    "eventSource": _TEXT,
    "eventName": _TEXT,
    "awsRegion": _TEXT,
    "sourceIPAddress": _TEXT,
    "userAgent": _TEXT,
    "errorCode": _TEXT,
    "errorMessage": _TEXT,
    "requestParameters": _TEXT,
    "responseElements": _TEXT,
    "additionalEventData": _TEXT,
    "requestID": _TEXT,
    "eventID": _TEXT,
    "readOnly": _TEXT,
    "resources": pa.list_(_struct("arn", "accountid", "type")),
    "eventType": _TEXT,
    "apiVersion": _TEXT,
    "recipientAccountId": _TEXT,
    "serviceEventDetails": _TEXT,
    "sharedEventID": _TEXT,
    "vpcEndpointId": _TEXT,
    "vpcEndpointAccountId": _TEXT,
    "eventCategory": _TEXT,
    "addendum": _struct("reason", "updatedfields", "originalrequestid", "originaleventid"),
    "sessionCredentialFromConsole": _TEXT,
    "edgeDeviceDetails": _TEXT,
    "tlsDetails": _struct("tlsversion", "ciphersuite", "clientprovidedhostheader"),
}
"""Fields of a record, by their type in the table; whatever else a record has is left out."""

SCHEMA = pa.schema([(name.lower(), kind) for name, kind in _FIELDS.items()])


def table(records: Sequence[Record]) -> pa.Table:
    """Return records as rows; objects that many share are turned into cells once."""
    columns = [
        pa.array(_cells([record.get(name) for record in records], kind), kind)
        for name, kind in _FIELDS.items()
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _cells(values: Sequence[object], kind: pa.DataType) -> list[object]:
    """Return the cells of a column: the same object gives the same cell."""
    done: dict[int, object] = {}
    cells = []
    for value in values:
        if value is None or (isinstance(value, str) and kind == _TEXT):
            cells.append(value)
            continue
        if id(value) not in done:
            done[id(value)] = _text(value) if kind == _TEXT else _nested(value, kind)
        cells.append(done[id(value)])
    return cells


def _nested(value: object, kind: pa.DataType) -> object:
    """Return a value as its type has it; what is of another type is missing."""
    if pa.types.is_struct(kind):
        if not isinstance(value, Mapping):
            return None
        lower = {str(name).lower(): inner for name, inner in value.items()}
        return {field.name: _nested(lower.get(field.name), field.type) for field in kind}
    if pa.types.is_list(kind):
        items = value if isinstance(value, list) else []
        return [_nested(item, kind.value_type) for item in items] or None
    return None if pa.types.is_map(kind) else _text(value)


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))
