"""Who calls: each actor with each of its hourly keys, for many events to point at."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.bulk.account import KEY, SINCE
from simulator.bulk.text import (
    access_keys,
    expirations,
    hexadecimal,
    join,
    mixed,
    texts,
    times,
    uuids,
)
from simulator.fleet import HOUR
from simulator.writers.athena import table

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.bulk.account import Account
    from simulator.bulk.text import Numbers

_SHORTEST, _SPREAD = 6 * HOUR + 180, 32 * 60
_WORDS = _KEY, _TOKEN, _SHARED, _LIFE = range(4)
"""What an hour's key is made from: some 64 bits for each."""


class Identities:
    """Who calls within some seconds of the trail: a row for each actor and hour, then EC2."""

    def __init__(self, account: Account, within: tuple[int, int], seed: int) -> None:
        """Make the identities of an account.

        Args:
            account: whose.
            within: from which to which second of the trail.
            seed: of keys.
        """
        self.hours = (within[1] - within[0]) // HOUR + 2
        self._account = account
        self._first = (within[0] - account.issued) // HOUR
        count = self._first[:, None] + np.arange(self.hours)
        self.issued = (account.issued[:, None] + count * HOUR).ravel()
        words = int(account.id), seed, np.repeat(np.arange(len(count)), self.hours), count.ravel()
        self._words = [mixed(number, *words) for number in _WORDS]
        self.keys = access_keys(self._words[_KEY], mixed(_KEY, self._words[_KEY]))

    @property
    def of_ec2(self) -> int:
        """Row of EC2 itself."""
        return len(self.issued)

    def rows(self, actor: Numbers, second: Numbers) -> Numbers:
        """Return the rows of actors at some seconds."""
        count = (second - self._account.issued[actor]) // HOUR - self._first[actor]
        rows: Numbers = actor * self.hours + count
        return rows

    def columns(self) -> pa.StructArray:
        """Return the identities as structs."""
        who = [*self._account.who, {"type": "AWSService", "invokedBy": None}]
        structs = table([{"userIdentity": one} for one in who]).column("useridentity").chunk(0)
        rows = np.append(np.repeat(np.arange(len(who) - 1), self.hours), len(who) - 1)
        structs = structs.take(pa.array(rows))
        key = structs.field("accesskeyid")
        changes = pc.equal(key, KEY)
        structs = replaced(
            structs, ("accesskeyid",), pc.if_else(changes, self._and_none(self.keys), key)
        )
        return replaced(
            structs,
            ("sessioncontext", "attributes", "creationdate"),
            pc.if_else(changes, self._and_none(self._times), None),
        )

    def json(self) -> pa.Array:
        """Return the identities as JSON without the closing brace."""
        who = [json.dumps(one, separators=(",", ":"))[:-1] for one in self._account.who]
        parts = [re.split(f"{KEY}|{SINCE}", one) for one in who]
        changes = pa.array([len(part) > 1 for part in parts])
        rows = pa.array(np.repeat(np.arange(len(who)), self.hours))
        first, second, third = (
            pa.array([part[i] if i < len(part) else "" for part in parts]).take(rows)
            for i in range(3)
        )
        changing = changes.take(rows)
        key, time = (pc.if_else(changing, column, "") for column in (self.keys, self._times))
        made = join(first, key, second, time, third)
        return pa.concat_arrays([made, pa.array(['{"type":"AWSService"'])])

    def responses(self, rows: Numbers) -> pa.Array:
        """Return what EC2's AssumeRole answers: the keys of some rows."""
        words = [
            self._words[_TOKEN][rows],
            *(mixed(i, self._words[_TOKEN][rows]) for i in range(3)),
        ]
        life = _SHORTEST + (self._words[_LIFE][rows] % np.uint64(_SPREAD)).astype(np.int64)
        return join(
            '{"credentials":{"accessKeyId":"',
            self.keys.take(pa.array(rows)),
            '","sessionToken":"',
            texts(hexadecimal(*words)),
            '","expiration":"',
            expirations(self._start, self.issued[rows] + life),
            '"}}',
        )

    def shared(self, rows: Numbers) -> pa.Array:
        """Return the ids that all copies of EC2's AssumeRole have, for the keys of some rows."""
        word = self._words[_SHARED][rows]
        return uuids(word, mixed(_SHARED, word))

    @cached_property
    def _times(self) -> pa.StringArray:
        return times(self._start, self.issued)

    @property
    def _start(self) -> datetime:
        return self._account.start

    @staticmethod
    def _and_none(column: pa.Array) -> pa.Array:
        return pa.concat_arrays([column, pa.nulls(1, pa.string())])


def replaced(struct: pa.StructArray, path: tuple[str, ...], values: pa.Array) -> pa.StructArray:
    """Return structs with other values at a path."""
    name, *rest = path
    place = struct.type.get_field_index(name)
    children = struct.flatten()
    children[place] = replaced(children[place], tuple(rest), values) if rest else values
    return pa.StructArray.from_arrays(children, fields=list(struct.type), mask=struct.is_null())
