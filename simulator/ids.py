"""Identifiers that look like AWS's and depend on nothing but the words they are made from."""

from __future__ import annotations

import hashlib
from base64 import b32encode

_INSTANCE_DIGITS = 16
_UNIQUE_ID_CHARS = 17
_ACCESS_KEY_CHARS = 16
_BYTES = 15
_VARIANTS = "89ab"


def digest(*words: object) -> bytes:
    """Return 32 bytes that depend on the words alone."""
    return hashlib.sha256("\x1f".join(map(str, words)).encode()).digest()


def number(below: int, *words: object) -> int:
    """Return a number from 0 up to, but not including, ``below``."""
    return int.from_bytes(digest(*words)[:8], "big") % below


def uuid(*words: object) -> str:
    """Return a UUID made from words, as version 5 is made from a name."""
    return _uuid(digest(*words)[:16])


def instance_id(*words: object) -> str:
    """Return the id of an EC2 instance."""
    return f"i-0{digest(*words).hex()[:_INSTANCE_DIGITS]}"


def resource_id(kind: str, *words: object) -> str:
    """Return the id of an EC2 resource of a kind, such as ``eni`` or ``vpc``."""
    return f"{kind}-0{digest(kind, *words).hex()[:_INSTANCE_DIGITS]}"


def unique_id(prefix: str, *words: object) -> str:
    """Return a unique id of IAM: ``AROA`` begins that of a role, ``AIDA`` that of a user."""
    return prefix + _letters(_UNIQUE_ID_CHARS, prefix, *words)


def access_key_id(prefix: str, *words: object) -> str:
    """Return an access key: ``ASIA`` begins a temporary one, ``AKIA`` a user's own."""
    return prefix + _letters(_ACCESS_KEY_CHARS, prefix, *words)


class EventIds:
    """Ids of the events of one stream, by position: the first event of a stream has the first."""

    def __init__(self, *stream: object) -> None:
        self._stream = hashlib.sha256("\x1f".join(map(str, stream)).encode())
        self._position = 0

    def take(self) -> tuple[str, str]:
        """Return ``eventID`` and ``requestID`` of the next event."""
        here = self._stream.copy()
        here.update(b"%d" % self._position)
        self._position += 1
        both = here.digest()
        return _uuid(both[:16]), _uuid(both[16:])


def _letters(count: int, *words: object) -> str:
    """Return capital letters and the digits 2 to 7, as AWS's ids have them."""
    return b32encode(digest(*words)[:_BYTES]).decode()[:count]


def _uuid(sixteen: bytes) -> str:
    h = sixteen.hex()
    variant = _VARIANTS[sixteen[8] & 3]
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{variant}{h[17:20]}-{h[20:]}"
