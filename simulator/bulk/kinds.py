"""Kinds of call: what actors of each way of life call, how often, and from which of their sources.

Shares are those of ``simulator.traffic``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.calls import OF_INSTANCE
from simulator.people import READS
from simulator.traffic import BY_SECOND_SOURCE, CALLS, FOR_IT, SHARE_FOR_IT, SHARE_FORWARDED

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST, LAST = 0, -1
"""Of the sources of an actor."""

FUNCTION, PERSON = "function", "person"
"""Ways of life beside those of the fleet."""

_SHARE_FAILED = 0.01
_OF_FUNCTION = ("s3:GetObject", "secretsmanager:GetSecretValue", "kms:Decrypt", "s3:PutObject")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of call.

    Attributes:
        event: service and name.
        source: which source of the actor it comes from.
        service: service that makes it for the actor; empty where he does himself.
        forwarded: sent on by another party, from its address.
        error: ``errorCode``; empty where it succeeds.
    """

    event: str
    source: int = FIRST
    service: str = ""
    forwarded: bool = False
    error: str = ""

    @property
    def is_own(self) -> bool:
        """Whether it comes from a source of the actor's own."""
        return not self.service and not self.forwarded


def _own(event: str) -> Kind:
    return Kind(event, LAST if event.startswith(BY_SECOND_SOURCE) else FIRST)


_INSTANCE = {_own(event): count / len(CALLS) for event, count in Counter(CALLS).items()}
_FOR_IT = {Kind(event, service=service): 1 / len(FOR_IT) for event, service in FOR_IT}
_SENT_ON = Kind("sts:GetCallerIdentity", forwarded=True)
_FAILED = (
    Kind("s3:GetObject", error="AccessDenied"),
    Kind("ssm:GetParameters", LAST, error="ThrottlingException"),
)

ALIVE = Kind("ssm:UpdateInstanceInformation", FIRST)
"""What an instance calls first, from its first source."""

KINDS: tuple[Kind, ...] = tuple(
    dict.fromkeys(
        (
            *_INSTANCE,
            *_FOR_IT,
            *_FAILED,
            _SENT_ON,
            ALIVE,
            *map(Kind, READS),
            *map(Kind, _OF_FUNCTION),
        )
    )
)

ALIVE_FROM = (KINDS.index(ALIVE), KINDS.index(_own(ALIVE.event)))
"""The same call from the first and from the last source."""

NAMING = tuple(sorted(OF_INSTANCE))
"""Calls whose parameters name the instance."""


def _of_way(way: str) -> dict[Kind, float]:
    if way == PERSON:
        return {Kind(event): 1 / len(READS) for event in READS}
    if way == FUNCTION:
        return {Kind(event): 1 / len(_OF_FUNCTION) for event in _OF_FUNCTION}
    sent_on = SHARE_FORWARDED if way == "eks" else 0
    own = 1 - SHARE_FOR_IT - _SHARE_FAILED - sent_on
    return (
        {kind: share * own for kind, share in _INSTANCE.items()}
        | {kind: share * SHARE_FOR_IT for kind, share in _FOR_IT.items()}
        | dict.fromkeys(_FAILED, _SHARE_FAILED / len(_FAILED))
        | ({_SENT_ON: sent_on} if sent_on else {})
    )


def chances(way: str) -> NDArray[np.float64]:
    """Return the chance that a call of a way of life is of this kind or one before it."""
    shares = _of_way(way)
    return np.cumsum([shares.get(kind, 0.0) for kind in KINDS])
