"""User agents: what clients call themselves, in 2018 and today."""

from __future__ import annotations

from simulator.identity import Style

_AGENTS = {
    Style.MODERN: {
        "app": "Boto3/1.40.61 md/Botocore#1.40.61 ua/2.1 os/linux#6.1.155 md/arch#x86_64 "
        "lang/python#3.11.13 md/pyimpl#CPython cfg/retry-mode#standard Botocore/1.40.61",
        "java": "aws-sdk-java/2.36.2 md/io#async md/http#NettyNio ua/2.1 os/Linux#6.1.155 "
        "lang/java#21.0.8 md/OpenJDK_64-Bit_Server_VM#21.0.8+9-LTS",
        "go": "aws-sdk-go-v2/1.39.4 ua/2.1 os/linux lang/go#1.25.3 md/GOOS#linux md/GOARCH#arm64",
        "lambda": "Boto3/1.40.61 md/Botocore#1.40.61 ua/2.1 os/linux#5.10.244 md/arch#x86_64 "
        "lang/python#3.13.7 md/pyimpl#CPython exec-env/AWS_Lambda_python3.13 "
        "cfg/retry-mode#legacy Botocore/1.40.61",
        "ssm": "aws-sdk-go/1.55.8 (go1.24.6; linux; amd64) amazon-ssm-agent/3.3.987.0",
        "cni": "amazon-vpc-cni-k8s/v1.20.4 aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.24.8",
        "thief": "aws-cli/2.31.18 md/awscrt#0.27.6 ua/2.1 os/macos#24.6.0 md/arch#arm64 "
        "lang/python#3.13.7 md/pyimpl#CPython cfg/retry-mode#standard",
        "admin": "aws-cli/2.31.18 md/awscrt#0.27.6 ua/2.1 os/windows#11 md/arch#amd64 "
        "lang/python#3.13.7 md/pyimpl#CPython cfg/retry-mode#standard",
        "terraform": "APN/1.0 HashiCorp/1.0 Terraform/1.13.4 (+https://www.terraform.io) "
        "terraform-provider-aws/6.18.0 aws-sdk-go-v2/1.39.4 ua/2.1 os/linux lang/go#1.24.8",
        "http": "Go-http-client/1.1",
    },
    Style.OF_2018: {
        "app": "Boto3/1.7.2 Python/2.7.12 Linux/4.14.26-46.32.amzn1.x86_64 Botocore/1.10.2",
        "java": "aws-sdk-java/1.11.264 Linux/4.9.81-35.56.amzn1.x86_64 "
        "Java_HotSpot(TM)_64-Bit_Server_VM/25.152-b16 java/1.8.0_152",
        "go": "aws-sdk-go/1.12.79 (go1.9.4; linux; amd64)",
        "lambda": "Boto3/1.7.2 Python/3.6.1 Linux/4.9.85-38.58.amzn1.x86_64 "
        "exec-env/AWS_Lambda_python3.6 Botocore/1.10.2",
        "ssm": "aws-sdk-go/1.4.14 (go1.8.4; linux; amd64) amazon-ssm-agent/",
        "cni": "aws-sdk-go/1.12.79 (go1.9.4; linux; amd64) amazon-vpc-cni-k8s",
        "thief": "aws-cli/1.11.88 Python/2.7.10 Darwin/16.7.0 botocore/1.5.51",
        "admin": "aws-cli/1.14.60 Python/3.6.4 Windows/10 botocore/1.9.13",
        "terraform": "aws-sdk-go/1.13.21 (go1.9.2; linux; amd64) APN/1.0 HashiCorp/1.0 "
        "Terraform/0.11.5",
        "http": "Go-http-client/1.1",
    },
}


_OWN_CALLS = {
    "eks-auth:AssumeRoleForPodIdentity": "go",
    "ssm:ListInstanceAssociations": "ssm",
    "ssm:UpdateInstanceInformation": "ssm",
}


def client_of(event: str, otherwise: str) -> str:
    """Return the client that usually makes a call: agents of AWS have calls of their own."""
    return _OWN_CALLS.get(event, otherwise)


def agent(client: str, style: Style) -> str:
    """Return the user agent of a client: ``app``, ``ssm``, ``thief`` and so on."""
    return _AGENTS[style][client]
