"""Values as columnar files store them: objects as structs, maps or JSON text, times as anything."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import reduce
from operator import or_

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from transforms.events.record import plain, readable_time

_TEXT = (T.StringType, T.BinaryType)
_TIME = (T.TimestampType, T.TimestampNTZType, T.LongType, T.IntegerType, *_TEXT)
_NUMBER = T.NumericType
_ACCOUNT_ID_DIGITS = 12


class UnusableColumnError(ValueError):
    """A column is of a type that cannot hold what it should."""

    def __init__(self, column: str, found: str, expected: str) -> None:
        """Say which column, what it is, and what it should be."""
        super().__init__(f"column {column} is {found}; expected {expected}")
        self.column, self.found, self.expected = column, found, expected


@dataclass(frozen=True)
class Stored:
    """A value of a row, and the type it is stored as."""

    column: Column
    kind: T.DataType

    @property
    def text(self) -> Column:
        """The value as text; JSON where it is an object or a list."""
        if isinstance(self.kind, (T.StructType, T.MapType, T.ArrayType)):
            return F.to_json(self.column)
        return self.column if isinstance(self.kind, T.StringType) else self.column.cast("string")

    @property
    def account_id(self) -> Column:
        """The value as an account id, with the leading zeros that a number has lost."""
        if isinstance(self.kind, _NUMBER):
            return F.lpad(self.column.cast("bigint").cast("string"), _ACCOUNT_ID_DIGITS, "0")
        return self.text

    @property
    def time(self) -> Column:
        """The value as a time: from text in ISO format, or a count since 1970 in any usual unit."""
        if isinstance(self.kind, T.TimestampType):
            return self.column
        if isinstance(self.kind, T.TimestampNTZType):
            return self.column.cast("timestamp")
        return readable_time(self.text) if is_text(self.kind) else _time_of_count(self.column)

    def reach(self, names: list[str]) -> Stored | None:
        """The value below this one; None where no row can have it."""
        if not names:
            return self
        name, *rest = names
        if isinstance(self.kind, T.StructType):
            field = field_of(self.kind, name)
            if field is None:
                return None
            return Stored(self.column[field.name], field.dataType).reach(rest)
        if isinstance(self.kind, T.MapType):
            spellings = [F.try_element_at(self.column, F.lit(n)) for n in (name, name.lower())]
            return Stored(F.coalesce(*spellings), self.kind.valueType).reach(rest)
        path = ".".join(["$", *names])
        spellings = [F.get_json_object(self.text, p) for p in (path, path.lower())]
        return Stored(F.coalesce(*spellings), T.StringType())


def is_text(kind: T.DataType) -> bool:
    """Whether values of a type are text."""
    return isinstance(kind, _TEXT)


def is_time(kind: T.DataType) -> bool:
    """Whether values of a type can be times."""
    return isinstance(kind, _TIME)


def field_of(kind: T.StructType, name: str) -> T.StructField | None:
    """Field of a struct, whatever the case of its name."""
    return next((field for field in kind if field.name.lower() == name.lower()), None)


def object_of_text(text: Column, kind: T.StructType) -> Column:
    """Struct of JSON text whose names are spelt as the struct's, or all in lower case."""
    lower = T.StructType.fromJson(json.loads(kind.json().lower()))
    telling = [field.name.lower() for field in kind if field.name != field.name.lower()]
    is_lower = reduce(or_, [text.contains(f'"{name}"') for name in telling])
    given = plain(text)
    return F.when(is_lower, F.from_json(given, lower).cast(kind)).otherwise(
        F.from_json(given, kind)
    )


def _time_of_count(count: Column) -> Column:
    """Time of seconds, milliseconds, microseconds or nanoseconds: years tell the unit."""
    number = count.cast("bigint")
    size = F.abs(number)
    return F.timestamp_micros(
        F.when(size < 10**11, number * 10**6)
        .when(size < 10**14, number * 10**3)
        .when(size < 10**17, number)
        .otherwise(F.floor(number / 10**3).cast("bigint"))
    )
