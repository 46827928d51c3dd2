"""The certificate of the PostgreSQL and MySQL wires, read again when its files change.

Made by app.py, which keeps `watch` running; the wires only see the context. Connections that are
open keep what they have; new ones get the new certificate. Files that do not fit together (one of
them is not written yet) are told once in the log and leave the old certificate in use.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

logger = logging.getLogger(__name__)

POLL_SECONDS = 10.0
_Stamp = tuple[int, int, int]


class Certificate:
    """A chain and its key. Requires: used on one event loop, `context` excepted."""

    def __init__(self, chain: Path, key: Path) -> None:
        """Raises: OSError, ssl.SSLError when the files cannot be used."""
        # Constant after construction; its chain is exchanged.
        self.context = _context()
        self._files = (chain, key)
        # As of the last reading.
        self._stamps = self._now()
        self.context.load_cert_chain(chain, key)
        self.end_point = end_point(chain)  # of connections that begin now

    def refresh(self) -> bool:
        """Reads the files again if they have changed; true if there is a new certificate."""
        stamps = self._now()
        if stamps == self._stamps:
            return False
        self._stamps = stamps
        try:
            _context().load_cert_chain(*self._files)  # not into what is in use, if it fails
            self.context.load_cert_chain(*self._files)
            self.end_point = end_point(self._files[0])
        except (OSError, ssl.SSLError) as error:
            logger.warning("the new TLS certificate cannot be used", extra={"reason": str(error)})
            return False
        logger.info("the TLS certificate was read again")
        return True

    async def watch(self) -> None:
        """Looks for changes until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self.refresh()

    def _now(self) -> tuple[_Stamp, ...]:
        return tuple(_stamp(path) for path in self._files)


def end_point(chain: Path) -> bytes | None:
    """The hash of a chain's first certificate by which clients bind logins to a TLS connection.

    tls-server-end-point of RFC 5929, section 4.1: by the hash function of the certificate's own
    signature, SHA-256 in place of MD5 and SHA-1. None if that names none, like Ed25519.
    Raises: OSError.
    """
    try:
        certificate = x509.load_pem_x509_certificate(chain.read_bytes())
        algorithm = certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return None
    if algorithm is None:
        return None
    weak = isinstance(algorithm, hashes.MD5 | hashes.SHA1)
    return certificate.fingerprint(hashes.SHA256() if weak else algorithm)


def _stamp(path: Path) -> _Stamp:
    """What tells that a file has changed; of a missing file nothing."""
    try:
        stat = path.stat()
    except OSError:
        return (0, 0, 0)
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
