"""Events of an account as columns of Athena's table, or as the JSON that a trail delivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulator.bulk.day import ISSUE
from simulator.bulk.identities import replaced
from simulator.bulk.text import join, times, uuids
from simulator.writers.athena import SCHEMA

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from simulator.bulk.account import Account
    from simulator.bulk.day import Events
    from simulator.bulk.identities import Identities
    from simulator.bulk.text import Numbers


class Part:
    """Some events with all that their columns are looked up by."""

    def __init__(
        self, account: Account, who: Identities, events: Events, chance: Generator
    ) -> None:
        """Look events up; ids come by chance."""
        is_issue = events.kind == ISSUE
        kind = np.where(is_issue, 0, events.kind)
        key = who.rows(events.actor, events.second)
        template = account.of_kind[events.actor, kind]
        template[is_issue] = account.of_issue[events.actor[is_issue]]
        address = np.where(is_issue, template, account.address[events.actor, kind])
        words = chance.integers(0, 1 << 64, (4, len(events)), dtype=np.uint64)
        self._account, self._who = account, who
        self.template = pa.array(template)
        self.key = pa.array(np.where(is_issue, who.of_ec2, key))
        self.time = times(account.start, events.second)
        self.address = account.addresses.take(pa.array(address))
        self.parameters = account.parameters.take(
            pa.array(account.parameter[events.actor, events.kind])
        )
        self.event_id, self.request_id = uuids(words[0], words[1]), uuids(words[2], words[3])
        self.response = _spread(who.responses(key[is_issue]), is_issue)
        self.shared_id = _spread(who.shared(key[is_issue]), is_issue)

    @property
    def regions(self) -> NDArray[np.str_]:
        """Region of each event."""
        regions: NDArray[np.str_] = self._account.regions[self.template.to_numpy()]
        return regions

    def table(self, identities: pa.StructArray) -> pa.Table:
        """Return the events as rows of Athena's table.

        Args:
            identities: the columns of those that the events were looked up in.
        """
        rows = self._account.templates.take(self.template).combine_chunks()
        who = identities.take(self.key)
        service = rows.column("useridentity").chunk(0).field("invokedby")
        own = {
            "useridentity": replaced(who, ("invokedby",), service),
            "eventtime": self.time,
            "sourceipaddress": self.address,
            "requestparameters": self.parameters,
            "responseelements": self.response,
            "requestid": self.request_id,
            "eventid": self.event_id,
            "sharedeventid": self.shared_id,
        }
        columns = [own.get(name, rows.column(name)) for name in SCHEMA.names]
        return pa.Table.from_arrays(columns, schema=SCHEMA)

    def json(self, identities: pa.Array) -> pa.Array:
        """Return the events as JSON texts.

        Args:
            identities: the JSON of those that the events were looked up in.
        """
        between = [pa.array(texts).take(self.template) for texts in self._account.json_parts]
        own = (
            identities.take(self.key),
            join('"', self.time, '"'),
            join('"', self.address, '"'),
            pc.fill_null(self.parameters, "null"),
            pc.fill_null(self.response, "null"),
            join('"', self.request_id, '"'),
            join('"', self.event_id, '"'),
            pc.fill_null(join('"', self.shared_id, '"'), ""),
        )
        mixed = [text for pair in zip(between, own, strict=False) for text in pair]
        return join(*mixed, between[-1])


def _spread(some: pa.Array, where: Numbers) -> pa.Array:
    """Return values where a condition holds, in order, and nulls elsewhere."""
    place = np.cumsum(where) - 1
    return some.take(pa.array(place, mask=~where))
