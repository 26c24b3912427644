"""Certificates with SPIFFE names: one authority for each trust root, one leaf for each identity.

Two clusters with different roots get different authorities, so that a handshake between them really fails.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509 import Certificate, CertificateBuilder, Name

LIFETIME: Final = timedelta(days=1)


@final
class Authorities:
    """The trust roots of one lab, as files under `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._roots: dict[str, tuple[EllipticCurvePrivateKey, Certificate, Path]] = {}
        self._leaves: dict[tuple[str, str], tuple[Path, Path]] = {}

    def bundle(self, root: str) -> Path:
        """What a proxy under `root` trusts."""
        return self._root(root)[2]

    def leaf(self, root: str, identity: str) -> tuple[Path, Path]:
        """The certificate chain and the key of a SPIFFE identity, signed by `root`."""
        found = self._leaves.get((root, identity))
        if found is None:
            found = self._leaves[root, identity] = self._issue(root, identity)
        return found

    def _root(self, name: str) -> "tuple[EllipticCurvePrivateKey, Certificate, Path]":
        if name not in self._roots:
            from cryptography import x509
            from cryptography.hazmat.primitives.asymmetric import ec

            key = ec.generate_private_key(ec.SECP256R1())
            subject = _name(f"meshsim lab {name}")
            builder = _valid(x509.CertificateBuilder().subject_name(subject).issuer_name(subject), key)
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            certificate = builder.sign(key, _hash())
            path = self.directory / f"root-{len(self._roots)}.pem"
            path.write_bytes(_pem(certificate))
            self._roots[name] = key, certificate, path
        return self._roots[name]

    def _issue(self, root: str, identity: str) -> tuple[Path, Path]:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        signer, issuer, _ = self._root(root)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _valid(x509.CertificateBuilder().subject_name(_name("meshsim lab")).issuer_name(issuer.subject), key)
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)])
        certificate = builder.add_extension(names, critical=True).sign(signer, _hash())
        chain = self.directory / f"leaf-{len(self._leaves)}.pem"
        secret = chain.with_suffix(".key")
        chain.write_bytes(_pem(certificate))
        secret.touch(mode=0o600)
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return chain, secret


def _valid(builder: "CertificateBuilder", key: "EllipticCurvePrivateKey") -> "CertificateBuilder":
    from cryptography import x509

    now = datetime.now(UTC)
    return (
        builder.public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - LIFETIME)
        .not_valid_after(now + LIFETIME)
    )


def _name(common: str) -> "Name":
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _hash() -> "SHA256":
    from cryptography.hazmat.primitives import hashes

    return hashes.SHA256()


def _pem(certificate: "Certificate") -> bytes:
    from cryptography.hazmat.primitives import serialization

    return certificate.public_bytes(serialization.Encoding.PEM)
