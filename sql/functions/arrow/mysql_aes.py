"""MySQL's AES_ENCRYPT and AES_DECRYPT, of values of one column with keys of another.

Imported when one of them is first called. The mode is MySQL's default, aes-128-ecb with PKCS #7
padding; a key of any length is folded into 16 bytes by exclusive or.
Source: MySQL 8.4 reference, "Encryption and Compression Functions".
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

_BLOCK = 16  # bytes, of the key too


def encrypt(data: pa.Array, keys: pa.Array) -> pa.Array:
    """The bytes encrypted; NULL without data or key."""
    return _each(_encrypted, data, keys)


def decrypt(data: pa.Array, keys: pa.Array) -> pa.Array:
    """The bytes before `encrypt`; NULL of what it did not make with that key."""
    return _each(_decrypted, data, keys)


def _each(
    function: Callable[[bytes, Cipher[ECB]], bytes | None], data: pa.Array, keys: pa.Array
) -> pa.Array:
    ciphers = {key: _cipher(key) for key in keys.unique().to_pylist() if key is not None}
    pairs = zip(data.to_pylist(), keys.to_pylist(), strict=True)
    made = [None if d is None or k is None else function(d, ciphers[k]) for d, k in pairs]
    return pa.array(made, pa.binary())


def _cipher(key: bytes) -> Cipher[ECB]:
    folded = bytearray(_BLOCK)
    for at, byte in zip(cycle(range(_BLOCK)), key, strict=False):
        folded[at] ^= byte
    return Cipher(AES(bytes(folded)), ECB())


def _encrypted(data: bytes, cipher: Cipher[ECB]) -> bytes:
    missing = _BLOCK - len(data) % _BLOCK
    worker = cipher.encryptor()
    return worker.update(data + bytes([missing]) * missing) + worker.finalize()


def _decrypted(data: bytes, cipher: Cipher[ECB]) -> bytes | None:
    if not data or len(data) % _BLOCK:
        return None
    worker = cipher.decryptor()
    padded = worker.update(data) + worker.finalize()
    missing = padded[-1]
    sound = 1 <= missing <= _BLOCK and padded.endswith(bytes([missing]) * missing)
    return padded[:-missing] if sound else None
