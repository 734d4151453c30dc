"""Certificates made here, for servers and clients that speak TLS."""

from __future__ import annotations

from pathlib import Path

import trustme


def make_authority(folder: Path, name: str) -> trustme.CA:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / f"{name}.pem")
    return authority


def make_certificate(folder: Path, name: str, authority: trustme.CA, *identities: str) -> None:
    """Make a key and a certificate that an authority has signed for some identities."""
    certificate = authority.issue_cert(*identities)
    certificate.private_key_pem.write_to_path(folder / f"{name}.key")
    certificate.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
