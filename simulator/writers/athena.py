"""A record as a row of Athena's table of CloudTrail: lower-case names, and text where it can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from simulator.record import Record

_TEXT = pa.string()


def _struct(*names: str, **others: pa.DataType) -> pa.StructType:
    texts = dict.fromkeys(names, _TEXT)
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
    """Return records as rows."""
    columns = [_column([r.get(name) for r in records], kind) for name, kind in _FIELDS.items()]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _column(values: Sequence[object], kind: pa.DataType) -> pa.Array:
    """Return a column: quickly, unless a story has put something odd into one of its values."""
    is_text = kind == _TEXT
    try:
        return pa.array(_cells(values, _text if is_text else _lower), kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array(_cells(values, lambda value: _nested(value, kind)), kind)


def _cells(values: Sequence[object], cell: Callable[[object], object]) -> list[object]:
    """Return the cells of a column; one object that many records share is one cell."""
    done: dict[int, object] = {}
    cells: list[object] = []
    for value in values:
        if value is None or (cell is _text and type(value) is str):
            cells.append(value)
            continue
        made = done.get(id(value))
        if made is None:
            made = done[id(value)] = cell(value)
        cells.append(made)
    return cells


def _lower(value: object) -> object:
    """Return a value with the names in it in lower case."""
    if isinstance(value, dict):
        return {_lower_name(name): _lower(inner) for name, inner in value.items()}
    return [_lower(item) for item in value] if isinstance(value, list) else value


@cache
def _lower_name(name: str) -> str:
    return name.lower()


def _nested(value: object, kind: pa.DataType) -> object:
    """Return a value as its type has it; what is of another type is missing."""
    if pa.types.is_struct(kind):
        if not isinstance(value, Mapping):
            return None
        lower = {name.lower(): inner for name, inner in value.items()}
        return {field.name: _nested(lower.get(field.name), field.type) for field in kind}
    if pa.types.is_list(kind):
        items = value if isinstance(value, list) else []
        return [_nested(item, kind.value_type) for item in items] or None
    return None if pa.types.is_map(kind) else _text(value)


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"))
