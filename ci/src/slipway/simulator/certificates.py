"""AWS Certificate Manager: certificates that are issued when a DNS record proves the domain.

Marks: [M] API model, [G] developer guide, [F] field reports, † unverified.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from slipway.simulator.contract import AwsError, Call, Operations, operations_of, paged
from slipway.simulator.route53 import Route53, full

_NAMED_SECONDS = 5  # until AWS shows the record for the validation [F]
_ISSUED_SECONDS = 60  # between the record and the certificate †; "several minutes" [G]
_SAME_SECONDS = 3600  # during this time a token names the same request [M]


def covers(pattern: str, host: str) -> bool:
    """Return whether a certificate's name covers a host. An asterisk replaces one label."""
    if pattern.startswith("*."):
        return host.partition(".")[2] == pattern[2:]
    return pattern == host


@dataclass(kw_only=True)
class Certificate:
    """A certificate for one or several names. `issued` is set when every name is proven."""

    arn: str
    domain: str
    names: tuple[str, ...]
    token: str
    created: datetime
    issued: datetime | None = None
    marks: dict[str, str] = field(default_factory=dict)  # the hexadecimal part of the validation record, by name

    def record(self, name: str) -> dict[str, str]:
        """Return the DNS record that proves a name. A name and its wildcard have the same record [G]."""
        mark = self.marks.setdefault(name.removeprefix("*."), uuid.uuid4().hex)
        return {
            "Name": f"_{mark}.{full(name.removeprefix('*.'))}",
            "Type": "CNAME",
            "Value": f"_{mark[::-1]}.acm-validations.aws.",
        }

    def covers(self, host: str) -> bool:
        return self.issued is not None and any(covers(name, host) for name in self.names)


class Certificates:
    """The certificates of a region, by ARN.

    `proven` are names that are validated without Route 53, because another DNS service has their records.
    """

    def __init__(self, route53: Route53) -> None:
        self._route53 = route53
        self.certificates: dict[str, Certificate] = {}
        self.proven: set[str] = set()
        self.operations: Operations = operations_of(self)

    async def request_certificate(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Request a certificate. The same token within an hour names the same request [M]."""
        token, domain = request.get("IdempotencyToken", ""), request["DomainName"].lower()
        for certificate in self.certificates.values():
            age = (call.now - certificate.created).total_seconds()
            if token and (certificate.token, certificate.domain) == (token, domain) and age < _SAME_SECONDS:
                return {"CertificateArn": certificate.arn}
        if request.get("ValidationMethod") != "DNS":
            raise AwsError("InvalidParameterException", "The simulator validates by DNS only.")
        arn = f"arn:aws:acm:{call.region}:{call.account}:certificate/{uuid.uuid4()}"
        names = (domain, *(name.lower() for name in request.get("SubjectAlternativeNames", ())))
        self.certificates[arn] = Certificate(
            arn=arn, domain=domain, names=tuple(dict.fromkeys(names)), token=token, created=call.now
        )
        return {"CertificateArn": arn}

    async def describe_certificate(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        certificate = self.certificates.get(request["CertificateArn"])
        if certificate is None:
            message = f"Could not find certificate {request['CertificateArn']}."  # [F]
            raise AwsError("ResourceNotFoundException", message)
        self._settle(certificate, call.now)
        return {"Certificate": _described(certificate, call.now)}

    async def list_certificates(self, request: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        wanted = request.get("CertificateStatuses", ("ISSUED", "PENDING_VALIDATION"))
        for certificate in self.certificates.values():
            self._settle(certificate, call.now)
        found = [
            {
                "CertificateArn": each.arn,
                "DomainName": each.domain,
                "SubjectAlternativeNameSummaries": list(each.names),
                "HasAdditionalSubjectAlternativeNames": False,
                "Status": _status(each),
                "Type": "AMAZON_ISSUED",
                "KeyAlgorithm": "RSA_2048",
                "CreatedAt": each.created,
                "IssuedAt": each.issued,
            }
            for each in self.certificates.values()
            if _status(each) in wanted
        ]
        return paged("CertificateSummaryList", found, request, names=("NextToken", "MaxItems"))

    def issue(self, domain: str, call: Call) -> str:
        """Add an issued certificate to the account, and return its ARN."""
        arn = f"arn:aws:acm:{call.region}:{call.account}:certificate/{uuid.uuid4()}"
        self.certificates[arn] = Certificate(
            arn=arn, domain=domain, names=(domain,), token="", created=call.now, issued=call.now
        )
        return arn

    def _settle(self, certificate: Certificate, now: datetime) -> None:
        """Issue a certificate when resolvers know its records."""
        records = [certificate.record(name) for name in certificate.names if name not in self.proven]
        known = [self._route53.known_since(each["Name"], each["Type"], each["Value"]) for each in records]
        if certificate.issued or any(since is None for since in known):
            return
        due = max((since for since in known if since), default=certificate.created) + timedelta(seconds=_ISSUED_SECONDS)
        certificate.issued = due if now >= due else None


def _status(certificate: Certificate) -> str:
    return "ISSUED" if certificate.issued else "PENDING_VALIDATION"


def _described(certificate: Certificate, now: datetime) -> dict[str, Any]:
    """Return the API's CertificateDetail."""
    is_named = (now - certificate.created).total_seconds() >= _NAMED_SECONDS
    proofs = [
        {
            "DomainName": name,
            "ValidationDomain": name,
            "ValidationStatus": "SUCCESS" if certificate.issued else "PENDING_VALIDATION",
            "ValidationMethod": "DNS",
            "ResourceRecord": certificate.record(name) if is_named else None,
        }
        for name in certificate.names
    ]
    return {
        "CertificateArn": certificate.arn,
        "DomainName": certificate.domain,
        "SubjectAlternativeNames": list(certificate.names),
        "DomainValidationOptions": proofs,
        "CreatedAt": certificate.created,
        "IssuedAt": certificate.issued,
        "Status": _status(certificate),
        "Type": "AMAZON_ISSUED",
        "KeyAlgorithm": "RSA_2048",
        "InUseBy": [],
    }
