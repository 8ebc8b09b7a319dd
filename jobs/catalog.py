"""Where the tables of a warehouse are: the settings of Spark's catalog ``credtrail``.

A folder keeps its catalog in one SQLite file inside it, ``catalog.db``, which PyIceberg's
``SqlCatalog`` opens as it is. An ``s3://`` prefix goes with the Glue catalog.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from jobs.errors import CredtrailError

CATALOG = "credtrail"

EXTENSIONS = "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
"""Iceberg's additions to SQL: a setting that only the start of a Spark context can take."""

_NAME = f"spark.sql.catalog.{CATALOG}"

WAREHOUSE = f"{_NAME}.warehouse"

_ALWAYS = {
    _NAME: "org.apache.iceberg.spark.SparkCatalog",
    # Else what another run commits, its lease among it, is seen up to half a minute later.
    f"{_NAME}.cache-enabled": "false",
}


class WarehouseError(CredtrailError):
    """A warehouse that cannot be used: which, why, and what to do."""

    exit_code = 2


def local_warehouse(uri: str) -> Path | None:
    """Return the folder that a warehouse is, or None where it lies in S3."""
    scheme = urlsplit(uri).scheme
    if scheme == "s3":
        return None
    if scheme == "file":
        return Path(unquote(urlsplit(uri).path)).resolve()
    if "://" in uri or not uri:
        message = (
            f"The warehouse {uri!r} is neither a folder nor an s3:// prefix: name one of these."
        )
        raise WarehouseError(message)
    return Path(uri).expanduser().resolve()


def catalog_options(warehouse: str) -> dict[str, str]:
    """Return the settings of the catalog; the folder of a local warehouse is made if missing."""
    folder = local_warehouse(warehouse)
    if folder is None:
        return {
            **_ALWAYS,
            WAREHOUSE: warehouse.rstrip("/"),
            f"{_NAME}.type": "glue",
            f"{_NAME}.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"The warehouse {folder} cannot be made: {error.strerror}. Name another folder."
        raise WarehouseError(message) from error
    return {
        **_ALWAYS,
        WAREHOUSE: str(folder),
        f"{_NAME}.type": "jdbc",
        f"{_NAME}.uri": f"jdbc:sqlite:{folder / 'catalog.db'}",
        f"{_NAME}.jdbc.schema-version": "V1",  # the columns that PyIceberg expects
        f"{_NAME}.jdbc.busy_timeout": "60000",  # milliseconds to wait for another run's commit
    }
