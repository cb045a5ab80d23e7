"""A side that is asked under another name than its address, as AWS's load balancers are: with real TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from slipway.environment import observed
from slipway.environment.compared import Way
from slipway.environment.environment import wall_clock
from slipway.environment.observed import ObservedEnvironment
from tests.environment.environments import SETTINGS

NAME = "notes.example.com"
ENVIRONMENT = ObservedEnvironment(settings=SETTINGS, name="staging", endpoint_url=None, time=wall_clock())


def certificate(folder: Path, name: str) -> Path:
    """Write a certificate for a name that signs itself, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), ENVIRONMENT.time.now()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / f"{name}.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + pem)
    return file


@asynccontextmanager
async def balancer(file: Path, heard: list[str]) -> AsyncIterator[str]:
    """A server with this certificate alone, which hears the names in TLS and in HTTP."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    context.sni_callback = lambda _socket, name, _context: heard.append(str(name))  # type: ignore[assignment]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        heard.extend(line.partition(": ")[2] for line in head.splitlines() if line.startswith("host:"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("covered", [NAME, "other.example.com"])
async def test_a_side_is_asked_under_the_services_own_name_and_needs_a_certificate_for_it(
    tmp_path, monkeypatch, covered
):
    file, heard = certificate(tmp_path, covered), list[str]()
    trusting = ssl.create_default_context(cafile=str(file))
    monkeypatch.setattr(observed, "certificates", lambda: trusting)
    async with balancer(file, heard) as address:
        way = Way(side=ENVIRONMENT, platform="ECS", address=address, name=NAME)
        problem = await way.failure(())
    if covered == NAME:
        assert (problem, heard) == ("", [NAME, NAME])
    else:
        assert heard == [NAME]
        assert problem.startswith(f"ECS does not answer /front under the name {NAME} (")
        assert "Hostname mismatch" in problem
