"""The peer that sets the pace: DuckDB, making and writing the same sightings and ledger rows.

``python -m bench.duck --input FOLDER --output FOLDER``: three Parquet files. Run as a program of
its own, so that all it costs is counted.
"""

from __future__ import annotations

import argparse
from pathlib import Path

CALLS = (
    "RunInstances",
    "StartInstances",
    "CreateVpcEndpoint",
    "StopInstances",
    "TerminateInstances",
    "CreateNetworkInterface",
    "AttachNetworkInterface",
    "DetachNetworkInterface",
    "AssignPrivateIpAddresses",
    "UnassignPrivateIpAddresses",
    "AssignIpv6Addresses",
    "AllocateAddress",
    "AssociateAddress",
    "DisassociateAddress",
    "ReleaseAddress",
    "CreateNatGateway",
    "AssociateNatGatewayAddress",
    "CreateRoute",
    "ReplaceRoute",
    "ModifyInstanceAttribute",
    "ModifyNetworkInterfaceAttribute",
)
"""Calls that the ledger learns from, as in transforms/addresses.py."""

TABLES = ("sightings", "credentials", "changes")


def main() -> None:
    """Make and write the rows."""
    import duckdb

    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--threads", default=2, type=int)
    parser.add_argument("--memory", default="4GB")
    args = parser.parse_args()
    args.output.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {args.threads}")
        connection.execute(f"SET memory_limit = '{args.memory}'")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET preserve_insertion_order = false")
        connection.execute("SET enable_progress_bar = false")
        connection.execute(script(args.input, args.output))


def script(source: Path, target: Path) -> str:
    """Return the statements that read a folder and write to another."""
    text = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    values = {name: target / f"{name}.parquet" for name in TABLES}
    values["input"] = source / "**" / "*.parquet"
    for name, path in values.items():
        text = text.replace(f"${name}", quoted(str(path)))
    return text.replace("$calls", ", ".join(map(quoted, CALLS)))


def quoted(text: str) -> str:
    """Return text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    main()
