"""Partitions: worlds of AWS that share neither accounts nor roles, each with names of its own."""

from __future__ import annotations

from dataclasses import dataclass

EC2 = "ec2.amazonaws.com"
"""Service that gives instances their keys, as all partitions but China's call it."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition.

    Attributes:
        name: as ARNs have it.
        home: region whose trail shows calls of services that have no region.
        worldwide: what stands in the host name of such a service where others have the region.
        suffix: end of host names.
        dual_stack: end of host names that have IPv6 addresses, too.
        ec2: EC2 as the caller of AssumeRole.
    """

    name: str
    home: str
    worldwide: str = ""
    suffix: str = "amazonaws.com"
    dual_stack: str = "api.aws"
    ec2: str = EC2

    def service(self, name: str) -> str:
        """Return a service as records of this partition name it: only EC2's name differs."""
        return self.ec2 if name == EC2 else name


_PUBLIC = Partition("aws", "us-east-1")
_OTHERS = {
    "us-gov-": Partition("aws-us-gov", "us-gov-west-1", worldwide="us-gov."),
    "cn-": Partition(
        "aws-cn",
        "cn-north-1",
        worldwide="cn-north-1.",
        suffix="amazonaws.com.cn",
        dual_stack="api.amazonwebservices.com.cn",
        ec2=f"{EC2}.cn",
    ),
}


def partition(region: str) -> Partition:
    """Return the partition of a region.

    >>> partition("cn-northwest-1").name
    'aws-cn'
    """
    return next((p for begin, p in _OTHERS.items() if region.startswith(begin)), _PUBLIC)
