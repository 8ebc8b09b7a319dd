"""Text of one width, made for many rows at once: ids, keys and times."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from simulator.moments import expiration, iso

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]
    Bits = NDArray[np.uint64]
    Chars = NDArray[np.uint8]

_DAY = 86_400
_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_BASE32 = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", dtype=np.uint8)
_DASHES = (8, 13, 18, 23)
_VERSION, _VARIANT = 14, 19
_LETTERS_A_WORD = 8


def texts(chars: Chars) -> pa.StringArray:
    """Return rows of characters as texts.

    >>> texts(np.frombuffer(b"abcdef", dtype=np.uint8).reshape(3, 2)).to_pylist()
    ['ab', 'cd', 'ef']
    """
    count, width = chars.shape
    ends = np.arange(count + 1, dtype=np.int32) * width
    whole = np.ascontiguousarray(chars)
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(whole))


def mixed(*numbers: Numbers | Bits | int) -> Bits:
    """Return 64 bits that depend on the numbers alone (SplitMix64)."""
    with np.errstate(over="ignore"):
        bits = np.zeros(1, dtype=np.uint64)
        for number in numbers:
            bits = bits ^ np.asarray(number).astype(np.uint64)
            bits = bits + np.uint64(0x9E3779B97F4A7C15)
            bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            bits = bits ^ (bits >> np.uint64(31))
        return bits


def hexadecimal(*words: Bits) -> Chars:
    """Return 16 digits for each word."""
    octets = np.stack(words, axis=1).view(np.uint8)
    digits = np.empty((len(octets), octets.shape[1] * 2), dtype=np.uint8)
    digits[:, 0::2] = _HEX[octets >> 4]
    digits[:, 1::2] = _HEX[octets & 15]
    return digits


def uuids(first: Bits, second: Bits) -> pa.StringArray:
    """Return UUIDs of version 5, as ``simulator.ids`` writes them."""
    digits = hexadecimal(first, second)
    chars = np.full((len(digits), 36), ord("-"), dtype=np.uint8)
    chars[:, [place for place in range(36) if place not in _DASHES]] = digits
    chars[:, _VERSION] = ord("5")
    chars[:, _VARIANT] = np.frombuffer(b"89ab", dtype=np.uint8)[digits[:, _VARIANT - 3] & 3]
    return texts(chars)


def access_keys(first: Bits, second: Bits) -> pa.StringArray:
    """Return ids of temporary access keys."""
    chars = np.empty((len(first), 20), dtype=np.uint8)
    chars[:, :4] = np.frombuffer(b"ASIA", dtype=np.uint8)
    for place in range(2 * _LETTERS_A_WORD):
        word = (first, second)[place // _LETTERS_A_WORD]
        five = (word >> np.uint64(5 * (place % _LETTERS_A_WORD))) & np.uint64(31)
        chars[:, 4 + place] = _BASE32[five.astype(np.int64)]
    return texts(chars)


def times(start: datetime, seconds: Numbers) -> pa.StringArray:
    """Return times as ``eventTime`` has them, so many seconds after the start of a day."""
    days, rest = np.divmod(seconds, _DAY)
    first = int(days.min()) if len(days) else 0
    span = range(first, int(days.max()) + 1 if len(days) else 1)
    dates = np.stack([_chars(iso(start + timedelta(days=day))[:11]) for day in span])
    return texts(np.concatenate([dates[days - first], _clock()[rest]], axis=1))


def expirations(start: datetime, seconds: Numbers) -> pa.Array:
    """Return times as ``responseElements.credentials.expiration`` has them."""
    days, rest = np.divmod(seconds, _DAY)
    first = int(days.min()) if len(days) else 0
    span = range(first, int(days.max()) + 1 if len(days) else 1)
    whole = [expiration(start + timedelta(days=day), comma=True) for day in span]
    dates = pa.array([text[: -len("12:00:00 AM")] for text in whole])
    return join(dates.take(pa.array(days - first)), _spoken_clock().take(pa.array(rest)))


def join(*parts: pa.Array | str) -> pa.Array:
    """Return texts put together, row by row; a text alone stands in each row."""
    import pyarrow.compute as pc

    return pc.binary_join_element_wise(*parts, "")


def _chars(text: str) -> Any:  # noqa: ANN401 - an array of unsigned bytes
    return np.frombuffer(text.encode(), dtype=np.uint8)


@lru_cache(maxsize=1)
def _clock() -> Chars:
    """Return ``00:00:00Z`` and so on for each second of a day."""
    all_day = [f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}Z" for s in range(_DAY)]
    return np.array(all_day, dtype="S9").view(np.uint8).reshape(_DAY, 9)


@lru_cache(maxsize=1)
def _spoken_clock() -> pa.Array:
    """Return ``12:00:00 AM`` and so on for each second of a day."""
    hours = [f"{h % 12 or 12}" for h in range(24)]
    return pa.array(
        [
            f"{hours[s // 3600]}:{s // 60 % 60:02d}:{s % 60:02d} {'AM' if s < _DAY // 2 else 'PM'}"
            for s in range(_DAY)
        ]
    )
