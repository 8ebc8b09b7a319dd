"""Helpers for columns that read better with a name."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F


def let(value: Column, body: Callable[[Column], Column]) -> Column:
    """Compute ``value`` once and use it many times in ``body``.

    A Column is a tree: used twice it is computed twice, used twice at each of ten levels it
    is computed a thousand times. A lambda variable is computed once.
    """
    return F.transform(F.array(value), body)[0]
