"""A warehouse opened without Spark, by PyIceberg: for reading results, and writing reviews.

Opening creates nothing: a warehouse is made by ``detect`` alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, unquote, urlsplit

from jobs.catalog import CATALOG, local_warehouse
from jobs.errors import CredtrailError, InputError

if TYPE_CHECKING:
    from pathlib import Path

    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

NAMESPACE = "credtrail"

_SQLITE = b"SQLite format 3\0"
"""How a database begins."""

_WAIT = 60
"""Seconds to wait for another process that writes to the catalog."""


class Warehouse:
    """The tables of a warehouse, as plain rows."""

    def __init__(self, uri: str) -> None:
        """Open a warehouse that exists.

        Args:
            uri: a folder, or an ``s3://`` prefix that goes with the Glue catalog.
        """
        self.uri = uri
        self._folder = local_warehouse(uri)
        with self._told():
            self._catalog = _glue(uri) if self._folder is None else self._sqlite(self._folder)

    def __enter__(self) -> Self:
        """Return the warehouse, open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection to the catalog."""
        self._catalog.close()

    def columns(self, table: str) -> list[str]:
        """Return the names of a table's columns, without those inside of lists."""
        with self._told():
            return [field.name for field in self._table(table).schema().fields]

    def scan(
        self, table: str, columns: Sequence[str] = ("*",), where: str | None = None
    ) -> list[dict[str, Any]]:
        """Return rows of a table by column name; times are in UTC.

        Args:
            table: name of the table.
            columns: those to read.
            where: which rows, such as ``status = 'open'``; all by default.
        """
        from pyiceberg.expressions import AlwaysTrue

        with self._told():
            scan = self._table(table).scan(where or AlwaysTrue(), selected_fields=tuple(columns))
            rows: list[dict[str, Any]] = scan.to_arrow().to_pylist()
            return rows

    def append(self, table: str, row: Mapping[str, object]) -> None:
        """Append one row; PyIceberg tries again where another process wrote meanwhile."""
        import pyarrow as pa

        with self._told():
            target = self._table(table)
            target.append(pa.Table.from_pylist([dict(row)], schema=target.schema().as_arrow()))

    def _table(self, name: str) -> Table:
        table = self._catalog.load_table((NAMESPACE, name))
        found, meant = _bare(table.location()), _bare(str(self._folder or self.uri))
        if not found.startswith(f"{meant}/"):
            why = "it was copied or moved" if self._folder else "Glue has one warehouse an account"
            message = (
                f"The catalog of {self.uri} has its tables in {table.location()}: {why}. "
                "Name the warehouse there, or run detect into a new one."
            )
            raise InputError(message)
        return table

    def _sqlite(self, folder: Path) -> Catalog:
        file = folder / "catalog.db"
        if not file.is_file() or not file.stat().st_size:
            raise self._missing()
        with file.open("rb") as opened:
            if opened.read(len(_SQLITE)) != _SQLITE:
                message = f"The catalog of {self.uri} cannot be used: {file} is no SQLite database."
                raise InputError(message)
        from pyiceberg.catalog.sql import SqlCatalog
        from sqlalchemy import URL

        uri = URL.create(
            "sqlite",
            database=f"file:{quote(str(file))}",
            query={"uri": "true", "mode": "rw", "timeout": str(_WAIT)},  # rw: never creates a file
        ).render_as_string()
        options = {"uri": uri, "warehouse": str(folder), "init_catalog_tables": "false"}
        return SqlCatalog(CATALOG, **options)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what PyIceberg, SQLite and AWS raise into words."""
        from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
        from sqlalchemy.exc import DBAPIError

        try:
            yield
        except NoSuchTableError:
            raise self._missing() from None
        except CommitFailedException as error:
            message = f"Other processes write to {self.uri} all the time ({error}). Try again."
            raise CredtrailError(message) from error
        except DBAPIError as error:
            if "no such table" in str(error.orig):
                raise self._missing() from None
            message = f"The catalog of {self.uri} cannot be used: {error.orig}."
            raise InputError(message) from error
        except FileNotFoundError as error:
            message = (
                f"A file of the warehouse {self.uri} is missing: {error}. Its tables keep absolute "
                "paths, so it cannot be moved; run detect into a new one."
            )
            raise InputError(message) from error
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "botocore":  # may not be installed
                raise
            message = f"AWS said: {error} Check region, credentials and permissions."
            raise InputError(message) from error

    def _missing(self) -> InputError:
        return InputError(
            f"There is no warehouse in {self.uri} yet. Make one: "
            f"credtrail detect --input … --warehouse {self.uri}"
        )


def _glue(uri: str) -> Catalog:
    try:
        from pyiceberg.catalog.glue import GlueCatalog
    except ImportError as error:
        message = f"{uri} needs boto3, which is not installed. Run: pip install boto3"
        raise CredtrailError(message) from error
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    options = {"s3.endpoint": endpoint} if endpoint else {}  # Arrow does not look there itself
    return GlueCatalog(CATALOG, warehouse=uri, **options)


def _bare(location: str) -> str:
    """Return a location without the scheme of files, whose slashes Java and Python count apart."""
    parts = urlsplit(location)
    return (unquote(parts.path) if parts.scheme == "file" else location).rstrip("/")
