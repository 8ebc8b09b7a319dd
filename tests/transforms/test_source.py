"""Sources and agents as they really stand in CloudTrail."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F

from transforms import source

SOURCES = [
    ("52.95.255.121", None, "52.95.255.121", "public_ipv4"),
    ("203.0.113.89", None, "203.0.113.89", "public_ipv4"),
    ("2600:1F14:0::1", None, "2600:1f14::1", "public_ipv6"),
    ("::ffff:52.95.255.121", None, "52.95.255.121", "public_ipv4"),
    ("10.0.1.20", "vpce-0ABC", "vpce-0abc/10.0.1.20", "endpoint"),
    ("10.0.1.20", None, "10.0.1.20", "private"),
    ("100.64.9.9", None, "100.64.9.9", "private"),
    ("52.95.255.121", "5f0c6d0e-7a52-5b0e-8d51-6f2f9d3a2b17", "52.95.255.121", "public_ipv4"),
    ("AWS Internal", "AWS Internal", "AWS Internal", "internal"),
    ("aws internal/5", None, "AWS Internal", "internal"),
    ("S3.amazonaws.com", "vpce-0abc", "s3.amazonaws.com", "service"),
    ("ec2.amazonaws.com.cn", None, "ec2.amazonaws.com.cn", "service"),
    ("s3.amazonaws.com.evil.org", None, "s3.amazonaws.com.evil.org", "unreadable"),
    ("my amazonaws.com", None, "my amazonaws.com", "unreadable"),
    ("0.0.0.0", None, "0.0.0.0", "unreadable"),
    ("256.44.44.11", None, "256.44.44.11", "unreadable"),
    ("035.249.253.232", None, "035.249.253.232", "unreadable"),
    ("XXXX", None, "XXXX", "unreadable"),
    ("-", None, "-", "unreadable"),
    ("", None, "(none)", "unreadable"),
    (None, None, "(none)", "unreadable"),
]

AGENTS = [
    ("Boto3/1.34.69 md/Botocore#1.34.69", "boto3", True),
    ("Boto/2.46.1 Python/2.7", "boto", True),
    ("[aws-cli/1.18.136 Python/3.8.5 Darwin/19.5.0 botocore/1.17.59]", "aws-cli", True),
    ("aws-sdk-go/1.44.260 (go1.20.12; linux; amd64) amazon-ssm-agent/", "amazon-ssm-agent", True),
    ("amazon-vpc-cni-k8s/version/v1.15.4 aws-sdk-go/1.47.0", "amazon-vpc-cni-k8s", True),
    ("APN/1.0 HashiCorp/1.0 Terraform/1.2 aws-sdk-go-v2/1.44", "terraform", True),
    ("AWSPowerShell.Common/4.1.0 .NET_Core/6.0", "awspowershell.common", True),
    ("Go-http-client/1.1", "go-http-client", False),
    ("curl/8.0", "curl", False),
    ("python-requests/2.31", "python-requests", False),
    ("Mozilla/5.0 (Windows NT 10.0)", "mozilla", False),
    ("my-robotocore/1.0", "my-robotocore", False),
    ("ec2.amazonaws.com", "ec2.amazonaws.com", False),
    ("", "(none)", False),
    (None, "(none)", False),
]


@pytest.fixture(scope="module")
def sources(spark):
    """Each source with its canonical text and kind."""
    address, endpoint = F.col("address"), F.col("endpoint")
    rows = [(i, a, e) for i, (a, e, _, _) in enumerate(SOURCES)]
    return (
        spark.createDataFrame(rows, "i int, address string, endpoint string")
        .select(
            "i",
            source.canonical_source(address, endpoint).alias("text"),
            source.source_kind(address, endpoint).alias("kind"),
        )
        .orderBy("i")
        .collect()
    )


@pytest.mark.parametrize("i", range(len(SOURCES)), ids=[repr(s[:2]) for s in SOURCES])
def test_source(i, sources):
    """A source has one canonical text, and its kind."""
    assert SOURCES[i][2:] == (sources[i].text, sources[i].kind)


@pytest.fixture(scope="module")
def agents(spark):
    """Each user agent with its family, and whether an SDK or CLI is behind it."""
    rows = [(i, a) for i, (a, _, _) in enumerate(AGENTS)]
    agent = F.col("agent")
    return (
        spark.createDataFrame(rows, "i int, agent string")
        .select(
            "i",
            source.agent_family(agent).alias("family"),
            source.is_sdk_or_cli(agent).alias("sdk"),
        )
        .orderBy("i")
        .collect()
    )


@pytest.mark.parametrize("i", range(len(AGENTS)), ids=[repr(a[0]) for a in AGENTS])
def test_agent(i, agents):
    """A user agent has a family without versions; web clients are no SDK."""
    assert AGENTS[i][1:] == (agents[i].family, agents[i].sdk)
