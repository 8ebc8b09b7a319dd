"""The instances of a past as rows, which all other rows are made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from simulator.addresses import private_ipv4
from simulator.identity import IMDS_V1
from simulator.traffic import CLIENTS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from bench.memories.past import Instance, Past

_FAMILIES = {
    "app": "boto3",
    "java": "aws-sdk-java",
    "go": "aws-sdk-go-v2",
    "cni": "amazon-vpc-cni-k8s",
}

_INSTANCE = pa.schema(
    [
        *[(name, pa.int64()) for name in ("number", "born", "ended", "issued", "hours")],
        *[
            (name, pa.string())
            for name in (
                "instance_id",
                "account_id",
                "role_id",
                "role_arn",
                "region",
                "family",
                "vpc_id",
                "private",
                "elastic",
                "control_plane",
                "office",
                *[f"{what}_{n}" for n in (1, 2) for what in ("address", "endpoint", "owner")],
            )
        ],
        ("old_metadata", pa.bool_()),
        ("is_eks", pa.bool_()),
    ]
)
"""An instance of the past as a row: seconds after the start of the trail, and its two sources."""


def instances(spark: SparkSession, past: Past) -> DataFrame:
    """All instances of a past, one a row of the schema above."""
    offices = past.fleet.offices
    rows = [_row(instance, offices) for instance in past.all]
    table = pa.Table.from_pylist(rows, schema=_INSTANCE)
    return spark.createDataFrame(table)


def _row(instance: Instance, offices: dict[str, str]) -> dict[str, Any]:
    box = instance.box
    first, last = box.sources[0], box.sources[-1]
    return {
        "number": instance.number,
        "born": box.born,
        "ended": box.ended,
        "issued": box.issued,
        "hours": instance.hours,
        "instance_id": box.machine.id,
        "account_id": box.machine.role.account,
        "role_id": box.machine.role.id,
        "role_arn": box.machine.role.arn,
        "region": box.machine.region,
        "family": _FAMILIES["cni" if box.way == "eks" else CLIENTS[box.issued % len(CLIENTS)]],
        "vpc_id": box.network.vpc,
        "private": private_ipv4(box.network.number, box.place),
        "elastic": first.address if box.way == "public" and box.born >= 0 else None,
        "control_plane": box.network.control_plane,
        "office": offices[box.machine.role.account],
        "old_metadata": box.delivery == IMDS_V1,
        "is_eks": box.way == "eks",
        **{
            f"{what}_{n}": getattr(source, what) or None
            for n, source in ((1, first), (2, last))
            for what in ("address", "endpoint", "owner")
        },
    }
