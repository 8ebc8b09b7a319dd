"""Which addresses lie in which ranges: equi-joins on leading bits, on distinct addresses only."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.columns import let
from transforms.ip import address_bytes

_IPV4_BYTES = 4


def in_cidrs(addresses: DataFrame, cidrs: DataFrame) -> DataFrame:
    """Pairs of an address and a range that holds it, with all columns of the range.

    Args:
        addresses: ``address``: canonical addresses; what is none lies in no range.
        cidrs: ``cidr_network`` (4 or 16 bytes), ``prefix_length`` (bits), and what else is known.
            Small: it is broadcast.
    """
    return (
        _with_leading_bits(addresses, cidrs)
        .join(F.broadcast(_by_leading_bits(cidrs)), on=["prefix_length", "leading"], how="inner")
        .drop("leading")
    )


def in_aws_space(addresses: DataFrame, ranges: DataFrame) -> DataFrame:
    """Each address with ``aws`` and ``aws_region`` of the most specific range that holds it.

    Args:
        addresses: ``address``: distinct canonical addresses.
        ranges: AWS IP ranges: ``cidr_network``, ``prefix_length``, ``region``.
    """
    best = F.max(F.struct("prefix_length", "region"))["region"]
    found = in_cidrs(addresses, ranges).groupBy("address").agg(best.alias("aws_region"))
    # One row of an address on either side: `found` is grouped by it.
    return addresses.join(found.withColumn("aws", F.lit(True)), on="address", how="left").select(
        "address", F.coalesce("aws", F.lit(False)).alias("aws"), "aws_region"
    )


def _with_leading_bits(addresses: DataFrame, cidrs: DataFrame) -> DataFrame:
    """A row for each address and length of a range of its family, with so many leading bits."""
    family = F.length("cidr_network").alias("family")
    lengths = cidrs.where(family.isNotNull()).select(family, "prefix_length").distinct()
    packed = address_bytes(F.col("address"))
    known = addresses.select("address", packed.alias("packed")).select(
        "address", F.length("packed").alias("family"), _bits(F.col("packed")).alias("bits")
    )
    return known.join(F.broadcast(lengths), on="family", how="inner").select(
        "address", "prefix_length", _leading(F.col("bits")).alias("leading")
    )


def _by_leading_bits(cidrs: DataFrame) -> DataFrame:
    leading = _leading(_bits(F.col("cidr_network")))
    return cidrs.where("cidr_network is not null").select(
        leading.alias("leading"), *[name for name in cidrs.columns if name != "cidr_network"]
    )


def _leading(bits: Column) -> Column:
    """The first ``prefix_length`` bits after the mark of the family."""
    return bits.substr(F.lit(1), F.col("prefix_length") + 1)


def _bits(packed: Column) -> Column:
    """An address as ``4`` or ``6`` and 32 or 128 zeros and ones."""
    return let(
        F.hex(packed),
        lambda digits: F.when(
            F.length(digits) == 2 * _IPV4_BYTES, F.concat(F.lit("4"), _binary(digits, 1, 8))
        ).otherwise(F.concat(F.lit("6"), _binary(digits, 1, 16), _binary(digits, 17, 16))),
    )


def _binary(digits: Column, at: int, count: int) -> Column:
    return F.lpad(F.conv(F.substring(digits, at, count), 16, 2), 4 * count, "0")
