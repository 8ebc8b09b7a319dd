"""Sources and agents as they really stand in CloudTrail."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F

from transforms import source

UUID = "5f0c6d0e-7a52-5b0e-8d51-6f2f9d3a2b17"
VPCE = "vpce-0abc"
LABEL = "a" * 63
LABELS = f"{LABEL}."

SOURCES = [
    ("52.95.255.121", None, "52.95.255.121", "public_ipv4"),
    (" 52.95.255.121\n", None, "52.95.255.121", "public_ipv4"),
    ("203.0.113.89", None, "203.0.113.89", "public_ipv4"),
    ("192.0.2.1", None, "192.0.2.1", "public_ipv4"),
    ("240.1.2.3", None, "240.1.2.3", "public_ipv4"),
    ("2600:1F14:0::1", None, "2600:1f14::1", "public_ipv6"),
    ("2600:1f14::1%eth0", None, "2600:1f14::1", "public_ipv6"),
    ("::ffff:52.95.255.121", None, "52.95.255.121", "public_ipv4"),
    ("::ffff:345f:ff79", None, "52.95.255.121", "public_ipv4"),
    ("10.0.1.20", "vpce-0ABC", "vpce-0abc/10.0.1.20", "endpoint"),
    ("10.0.1.20", " vpce-0abc ", "vpce-0abc/10.0.1.20", "endpoint"),
    ("52.95.255.121", VPCE, "vpce-0abc/52.95.255.121", "endpoint"),
    ("2600:1F14::1", VPCE, "vpce-0abc/2600:1f14::1", "endpoint"),
    ("10.0.1.20", None, "10.0.1.20", "private"),
    ("100.64.9.9", None, "100.64.9.9", "private"),
    ("fd00:0::1", None, "fd00::1", "private"),
    ("10.0.1.20", "AWS Internal", "10.0.1.20", "private"),
    ("10.0.1.20", "s3.amazonaws.com", "10.0.1.20", "private"),
    ("10.0.1.20", "vpce-0abc\n52", "10.0.1.20", "private"),
    ("10.0.1.20", "vpce-", "10.0.1.20", "private"),
    ("10.0.1.20", "xvpce-0abc", "10.0.1.20", "private"),
    ("52.95.255.121", UUID, "52.95.255.121", "public_ipv4"),
    ("AWS Internal", "AWS Internal", "AWS Internal", "internal"),
    ("AWS Internal", VPCE, "AWS Internal", "internal"),
    ("aws internal/5", None, "AWS Internal", "internal"),
    ("AWS Internal/#", None, "AWS Internal", "internal"),
    (" AWS  INTERNAL ", None, "AWS Internal", "internal"),
    ("aws-internal", None, "AWS Internal", "internal"),
    ("AWS Internally", None, "AWS Internally", "unreadable"),
    ("not AWS Internal", None, "not AWS Internal", "unreadable"),
    ("S3.amazonaws.com", VPCE, "s3.amazonaws.com", "service"),
    ("ec2.amazonaws.com.cn", None, "ec2.amazonaws.com.cn", "service"),
    ("states.us-east-1.amazonaws.com", None, "states.us-east-1.amazonaws.com", "service"),
    ("ec2.c2s.ic.gov", None, "ec2.c2s.ic.gov", "service"),
    ("sts.amazonaws.eu", None, "sts.amazonaws.eu", "service"),
    ("backup.aws.internal", None, "backup.aws.internal", "service"),
    (f"{LABEL}.amazonaws.com", None, f"{LABEL}.amazonaws.com", "service"),
    (f"{LABEL}a.amazonaws.com", None, f"{LABEL}a.amazonaws.com", "unreadable"),
    (LABELS * 3 + "amazonaws.com", None, LABELS * 3 + "amazonaws.com", "service"),
    (LABELS * 4 + "amazonaws.com", None, LABELS * 2, "unreadable"),
    ("amazonaws.com", None, "amazonaws.com", "unreadable"),
    (".amazonaws.com", None, ".amazonaws.com", "unreadable"),
    ("-s3.amazonaws.com", None, "-s3.amazonaws.com", "unreadable"),
    ("s3-.amazonaws.com", None, "s3-.amazonaws.com", "unreadable"),
    ("s3..amazonaws.com", None, "s3..amazonaws.com", "unreadable"),
    ("s3.amazonaws.com.", None, "s3.amazonaws.com.", "unreadable"),
    ("s3.amazonaws.com.evil.org", None, "s3.amazonaws.com.evil.org", "unreadable"),
    ("s3.evilamazonaws.com", None, "s3.evilamazonaws.com", "unreadable"),
    ("s3.amazonaws-com", None, "s3.amazonaws-com", "unreadable"),
    ("s3.amazonawsxcom", None, "s3.amazonawsxcom", "unreadable"),
    ("evil.org s3.amazonaws.com", None, "evil.org s3.amazonaws.com", "unreadable"),
    ("evil.org\ns3.amazonaws.com", None, "evil.org\ns3.amazonaws.com", "unreadable"),
    ("my amazonaws.com", None, "my amazonaws.com", "unreadable"),
    ("\N{KELVIN SIGN}ms.amazonaws.com", None, "\N{KELVIN SIGN}ms.amazonaws.com", "unreadable"),
    ("0.0.0.0", None, "0.0.0.0", "unreadable"),
    ("0.0.0.0", VPCE, "0.0.0.0", "unreadable"),
    ("::", None, "::", "unreadable"),
    ("255.255.255.255", None, "255.255.255.255", "unreadable"),
    ("224.0.0.251", None, "224.0.0.251", "unreadable"),
    ("ff02::fb", None, "ff02::fb", "unreadable"),
    ("256.44.44.11", None, "256.44.44.11", "unreadable"),
    ("035.249.253.232", None, "035.249.253.232", "unreadable"),
    ("30.*.0.210", None, "30.*.0.210", "unreadable"),
    ("52.95.255.121, 10.0.1.20", None, "52.95.255.121, 10.0.1.20", "unreadable"),
    ("XXXX", VPCE, "XXXX", "unreadable"),
    (" - ", None, "-", "unreadable"),
    ("é" * 200, None, "é" * 128, "unreadable"),
    (" \t\n", None, "(none)", "unreadable"),
    ("", None, "(none)", "unreadable"),
    (None, VPCE, "(none)", "unreadable"),
    (None, None, "(none)", "unreadable"),
]

AGENTS = [
    ("Boto3/1.34.69 md/Botocore#1.34.69", "boto3", True),
    ("Boto3/1.9.1 Python/3.8.5 Linux/5.1 Botocore/1.2.3 Resource", "boto3", True),
    ("Boto/2.46.1 Python/2.7", "boto", True),
    ("Botocore/1.2.3 Python/3.11", "botocore", True),
    ("[aws-cli/1.18.136 Python/3.8.5 Darwin/19.5.0 botocore/1.17.59]", "aws-cli", True),
    ("aws-cli/2.13.0 md/awscrt#0.16 exec-env/CloudShell", "aws-cli", True),
    ("aws-chalice/1.26 Python/3.9", "aws-chalice", True),
    ("aws-sdk-go/1.44.260 (go1.20.12; linux; amd64) amazon-ssm-agent/", "amazon-ssm-agent", True),
    ("aws-sdk-go/1.45.15 (go1.21.3; linux; amd64) karpenter.sh-v0.31.2", "karpenter.sh", True),
    ("aws-sdk-go/1.34.13 (go1.15.2; linux; amd64)", "aws-sdk-go", True),
    ("aws-sdk-go/1.34.13 (go1.15.2; linux; amd64) S3Manager", "aws-sdk-go", True),
    ("aws-sdk-go/1.34.13 (go1.15.2; linux; amd64) exec-env/AWS_ECS_EC2", "aws-sdk-go", True),
    ("aws-sdk-go-v2/1.25.2 os/linux lang/go#1.21.7 api/sts#1.2", "aws-sdk-go-v2", True),
    ("aws-sdk-java/1.12.5 Linux/5.10 OpenJDK_64-Bit_Server_VM/11", "aws-sdk-java", True),
    ("EC2ConsoleFrontend, aws-internal/3 aws-sdk-java/1.11.848", "ec2consolefrontend", True),
    ("amazon-vpc-cni-k8s/version/v1.15.4 aws-sdk-go/1.47.0", "amazon-vpc-cni-k8s", True),
    ("APN/1.0 HashiCorp/1.0 Terraform/1.2 aws-sdk-go-v2/1.44", "terraform", True),
    ("APN/1.0 Ansible/2.9.6 Botocore/1.2", "ansible", True),
    ("APN/1.0 HashiCorp/1.0", "hashicorp", True),
    ("APN/1.0", "apn", True),
    ("AWSPowerShell.Common/4.1.0 .NET_Core/6.0", "awspowershell.common", True),
    ("awslambda-worker/1.0 rusoto/0.48.0 rust/1.75.0 linux", "awslambda-worker", True),
    ("CloudCustodian(a-policy)/0.9.2 Python/3.8.3 Botocore/1.2", "cloudcustodian", True),
    ("[S3Console/0.4, aws-internal/3 aws-sdk-java/1.11]", "s3console", True),
    (f"stratus-red-team_{UUID}", "stratus-red-team", False),
    ("Go-http-client/1.1", "go-http-client", False),
    ("curl/8.0", "curl", False),
    ("python-requests/2.31", "python-requests", False),
    ("Mozilla/5.0 (Windows NT 10.0)", "mozilla", False),
    ("my-robotocore/1.0", "my-robotocore", False),
    ("ec2-api-tools 1.6.12.2", "ec2-api-tools", False),
    ("ec2.amazonaws.com", "ec2.amazonaws.com", False),
    ("AWS Internal", "aws internal", False),
    ("x" * 100, "x" * 40, False),
    ("-", "-", False),
    ("[", "", False),
    ("", "", False),
    (None, None, False),
]


def _told(spark, rows):
    """Rows of address, endpoint and agent, with all that is told of them, in order."""
    agent = F.col("agent")
    given = spark.createDataFrame(
        [(i, *row) for i, row in enumerate(rows)],
        "i int, source_ip_address string, vpc_endpoint_id string, agent string",
    )
    text = source.canonical_source(F.col("source_ip_address"), F.col("vpc_endpoint_id"))
    told = {
        "text": text,
        "family": source.agent_family(agent),
        "sdk": source.is_sdk_or_cli(agent),
    }
    return source.with_source(given.withColumns(told)).orderBy("i").collect()


@pytest.fixture(scope="module")
def sources(spark):
    """Each source with its canonical text and kind."""
    return _told(spark, [(address, endpoint, None) for address, endpoint, _, _ in SOURCES])


@pytest.mark.parametrize("i", range(len(SOURCES)), ids=[repr(s[:2])[:60] for s in SOURCES])
def test_source(i, sources):
    """A source has one canonical text, and its kind."""
    assert SOURCES[i][2:] == (sources[i].source, sources[i].source_kind)


def test_canonical_text_is_its_own(spark, sources):
    """Canonical text of a source without endpoint, read again, is the same text and kind."""
    first = [row for row in sources if row.source_kind != "endpoint"]

    again = _told(spark, [(row.source, None, None) for row in first])

    told = [(row.source, row.source_kind) for row in first]
    assert [(row.source, row.source_kind) for row in again] == told


def test_rare_rows_and_common_ones_agree(sources):
    """The source of an AssumeRole or a finding's call is spelt as that of a sighting."""
    assert [row.text for row in sources] == [row.source for row in sources]


def test_parts_agree_with_the_kind(sources):
    """Address and endpoint are told where the kind of source says so, and make up its text."""
    for row in sources:
        if row.source_kind == "endpoint":
            assert row.source == f"{row.vpc_endpoint_id}/{row.source_address}"
        else:
            is_address = row.source_kind in {"private", "public_ipv4", "public_ipv6"}
            assert row.source_address == (row.source if is_address else None)
            assert row.vpc_endpoint_id is None


@pytest.fixture(scope="module")
def agents(spark):
    """Each user agent with its family, and whether an SDK or CLI is behind it."""
    return _told(spark, [(None, None, agent) for agent, _, _ in AGENTS])


@pytest.mark.parametrize("i", range(len(AGENTS)), ids=[repr(a[0])[:60] for a in AGENTS])
def test_agent(i, agents):
    """A user agent has a family without versions; web clients are no SDK."""
    assert AGENTS[i][1:] == (agents[i].family, agents[i].sdk)


def test_versions_do_not_make_families(spark):
    """The same tool in another version is of the same family."""
    agents = ["aws-cli/{}", "Boto3/{}", "karpenter-v{}", "aws-sdk-go/{} (go{}; linux) agent/{}"]
    rows = [(None, None, a.replace("{}", v)) for a in agents for v in ("1.2", "2.13.99-rc1")]

    families = [row.family for row in _told(spark, rows)]

    assert families[::2] == families[1::2] == ["aws-cli", "boto3", "karpenter", "agent"]


def test_long_junk_is_read_in_no_time(spark):
    """A text of a million characters neither overflows the stack nor takes long."""
    parts = ("a.", "a-", "aws-sdk-", "vpce-0", "AWS Internal/", " ", "[", "(", "boto", "1.1")
    junk = [part * (1_000_000 // len(part)) for part in parts]

    rows = _told(spark, [(j + ".amazonaws.com", "vpce-0" + j, "aws-sdk-go/1 (" + j) for j in junk])

    kinds = dict(zip(parts, (row.source_kind for row in rows), strict=True))
    assert {part for part in parts if kinds[part] == "unreadable"} == {*parts} - {"AWS Internal/"}
    assert max(len(row.source) for row in rows) <= 128
    assert max(len(row.family) for row in rows) <= 40


def test_the_plan_has_built_in_functions_alone(spark):
    """Sources and agents are told without Python and without a function of our own in the JVM."""
    rows = spark.createDataFrame(
        [("::1", None, "curl/8")], "source_ip_address string, vpc_endpoint_id string, agent string"
    )

    told = source.with_source(rows.withColumn("family", source.agent_family(F.col("agent"))))

    plan = told._jdf.queryExecution().toString()
    assert "Python" not in plan
    assert "UDF" not in plan
