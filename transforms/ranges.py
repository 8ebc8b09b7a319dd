"""Which addresses lie in which ranges: equi-joins on prefixes, on distinct addresses only."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from transforms.ip import address_bytes

_BITS = {4: 32, 16: 128}


def in_cidrs(addresses: DataFrame, cidrs: DataFrame) -> DataFrame:
    """Pairs of an address and a range that holds it, with all columns of the range.

    Args:
        addresses: ``address``: distinct canonical addresses.
        cidrs: ``cidr_network`` (4 or 16 bytes), ``prefix_length`` (bits), and what else is known.
            Small: it is broadcast, and so are its distinct prefix lengths.
    """
    known = cidrs.where("cidr_network is not null")
    lengths = known.select("prefix_length", F.length("cidr_network").alias("width")).distinct()
    parsed = addresses.select("address", address_bytes(F.col("address")).alias("bytes")).where(
        F.col("bytes").isNotNull()
    )
    of_width = F.length("bytes") == F.col("width")
    prefixes = parsed.join(F.broadcast(lengths), on=of_width, how="inner").select(
        "address", "prefix_length", _network(F.col("bytes")).alias("cidr_network")
    )
    return prefixes.join(
        F.broadcast(known), on=["prefix_length", "cidr_network"], how="inner"
    ).drop("cidr_network")


def in_aws_space(addresses: DataFrame, ranges: DataFrame) -> DataFrame:
    """Each address with ``aws`` and ``aws_region`` of the most specific range that holds it.

    Args:
        addresses: ``address``: distinct canonical addresses.
        ranges: AWS IP ranges: ``cidr_network``, ``prefix_length``, ``region``.
    """
    best = Window.partitionBy("address").orderBy(F.desc("prefix_length"), "region")
    found = (
        in_cidrs(addresses, ranges)
        .withColumn("place", F.row_number().over(best))
        .where("place = 1")
        .select("address", F.col("region").alias("aws_region"), F.lit(True).alias("aws"))
    )
    return addresses.join(found, on="address", how="left").select(
        "address", F.coalesce("aws", F.lit(False)).alias("aws"), "aws_region"
    )


def _network(packed: Column) -> Column:
    """First ``prefix_length`` bits of an address, the rest zero: bytes whole, the last one cut."""
    length = F.col("prefix_length")
    whole = F.floor(length / 8).cast("int")
    rest = (length % 8).cast("int")
    octet = F.conv(F.hex(F.substring(packed, whole + 1, F.lit(1))), 16, 10).cast("int")
    kept = F.call_function("shiftleft", F.lit(1), 8 - rest)
    cut = octet - octet % kept
    last = F.when(rest > 0, F.unhex(F.lpad(F.hex(cut), 2, "0"))).otherwise(F.unhex(F.lit("")))
    head = F.substring(packed, F.lit(1), whole)
    used = whole + F.when(rest > 0, F.lit(1)).otherwise(F.lit(0))
    zeros = F.unhex(F.repeat(F.lit("00"), F.length(packed) - used))
    return F.concat(head, last, zeros)
