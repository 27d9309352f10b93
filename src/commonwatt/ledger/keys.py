"""Keys of people and devices: Ed25519, held by whoever signs.

Source: RFC 8032, "Edwards-Curve Digital Signature Algorithm".
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from commonwatt.core.files import save_bytes
from commonwatt.core.messages import Message
from commonwatt.ledger.errors import ActorError


class Signer(Protocol):
    """Whatever can sign: a key in a file, a card in a reader, a service."""

    @property
    def public_key(self) -> bytes:
        """The 32 bytes of the public key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature over `message`."""
        ...


class Key:
    """An Ed25519 private key held in this process.

    >>> key = Key.from_seed(bytes(32))
    >>> actor_id_of(key.public_key), actor_signature_holds(key.public_key, key.sign(b"x"), b"x")
    ('139e3940e64b5491', True)
    """

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key = private.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> Key:
        """Return a new key from the operating system's randomness, which no seed may replace."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> Key:
        """Return the key of 32 given bytes, for tests and examples only."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def load(cls, path: Path, password: bytes | None = None) -> Key:
        """Return the key in a PEM file.

        Raises:
            ActorError: There is no such file, or it holds no Ed25519 key.
        """
        try:
            private = load_pem_private_key(path.read_bytes(), password)
        except (OSError, ValueError, TypeError):
            private = None
        if not isinstance(private, Ed25519PrivateKey):
            raise ActorError(str(path), wanted=Message("a readable Ed25519 private key in PEM"))
        return cls(private)

    def save(self, path: Path, password: bytes | None = None) -> None:
        """Write the key to a new PEM file that only its owner can read."""
        how = BestAvailableEncryption(password) if password else NoEncryption()
        pem = self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)
        save_bytes(pem, path, mode=0o600, replace=False)

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`."""
        return self._private.sign(message)


def actor_id_of(public_key: bytes) -> str:
    """Return the name of a key: the first sixteen hexadecimal digits of its SHA-256."""
    # Named after the key and not after the person: a name on record must hold when a person
    # marries, moves or shares a name.
    return hashlib.sha256(public_key).hexdigest()[:16]


def actor_signature_holds(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether `signature` is that of `public_key` over `message`."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def entry_batch_message(origin: str, first: int, last: int, link: bytes) -> bytes:
    """Return what is signed for entries `first` to `last`, the last of which has `link`.

    The link hashes the whole chain before it, so one signature speaks for each
    entry of the batch.
    """
    return f"commonwatt ledger v1\n{origin}\n{first}\n{last}\n{link.hex()}\n".encode()
