"""Keys of people and devices: Ed25519, held by whoever signs.

Source: RFC 8032, "Edwards-Curve Digital Signature Algorithm".
"""

from __future__ import annotations

import getpass
import hashlib
import os
import sys
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from commonwatt.core.files import save_bytes
from commonwatt.core.messages import Message
from commonwatt.ledger.errors import ActorError

KEY_LOCK_VARIABLE: Final = "COMMONWATT_KEY_PASSWORD"
KEY_LOCK_FILE_VARIABLE: Final = "COMMONWATT_KEY_PASSWORD_FILE"


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

        Args:
            path: The file.
            password: That opens it; by default that of the environment, or as typed when asked.

        Raises:
            ActorError: There is no such file, it holds no Ed25519 key, or its password is
                missing or wrong.
        """
        locked = False
        try:
            pem = path.read_bytes()
            locked = b"ENCRYPTED" in pem
            if locked and password is None:
                password = read_signing_key_password_or_none(path)
            private = load_pem_private_key(pem, password)
        except (OSError, ValueError, TypeError):
            private = None
        if not isinstance(private, Ed25519PrivateKey):
            raise ActorError(
                str(path),
                found=Message("a key that is locked by another password") if locked else "",
                wanted=Message("a readable Ed25519 private key in PEM"),
                remedy=_PASSWORD_REMEDY if locked else "",
            )
        return cls(private)

    def save(self, path: Path, password: bytes | None = None) -> None:
        """Write the key to a new PEM file that only its owner can read."""
        how = BestAvailableEncryption(password) if password else NoEncryption()
        pem = self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)
        save_bytes(pem, path, mode=0o600, replace=False)

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`."""
        return self._private.sign(message)


def read_signing_key_password_or_none(path: Path, *, twice: bool = False) -> bytes | None:
    """Return the password of a key: from the environment, a file that it names, or as typed.

    Never from the command line, which everybody on the machine can read.

    Args:
        path: The key, to name it where a person is asked.
        twice: Whether a person types it twice, as for a new key.

    Returns:
        The password; None where nothing names one and nobody can be asked.

    Raises:
        ActorError: The file cannot be read, or what was typed twice differs.
    """
    if named := os.environ.get(KEY_LOCK_VARIABLE):
        return named.encode()
    if file := os.environ.get(KEY_LOCK_FILE_VARIABLE):
        try:
            return Path(file).read_bytes().rstrip(b"\r\n")
        except OSError:
            raise ActorError(
                KEY_LOCK_FILE_VARIABLE, found=file, wanted=Message("a file that holds the password")
            ) from None
    if not sys.stdin.isatty():
        return None
    typed = getpass.getpass(f"{path}: ")
    if twice and getpass.getpass(f"{path} (2): ") != typed:
        raise ActorError(str(path), found=Message("two passwords that differ"))
    return typed.encode()


_PASSWORD_REMEDY: Final = Message(
    "Set COMMONWATT_KEY_PASSWORD, or COMMONWATT_KEY_PASSWORD_FILE to a file that holds it, or"
    " answer when asked in a terminal."
)


def public_key_pem(public_key: bytes) -> bytes:
    """Return a public key as a PEM file holds it."""
    key = Ed25519PublicKey.from_public_bytes(public_key)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def load_actor_public_key(path: Path) -> bytes:
    """Return the 32 bytes of the public key in a file: PEM, or 64 hexadecimal digits.

    Raises:
        ActorError: There is no such file, or it holds no Ed25519 public key.
    """
    try:
        raw = path.read_bytes()
        if b"BEGIN" not in raw:
            return _actor_public_key_of_hex_digits(raw.decode("ascii").strip())
        public = load_pem_public_key(raw)
    except (OSError, ValueError):
        public = None
    if not isinstance(public, Ed25519PublicKey):
        raise ActorError(
            str(path),
            wanted=Message("an Ed25519 public key, in PEM or as 64 hexadecimal digits"),
            remedy=Message("Make a pair with: commonwatt ledger key FILE; hand on FILE.pub alone."),
        )
    return public.public_bytes_raw()


def _actor_public_key_of_hex_digits(digits: str) -> bytes:
    public_key = bytes.fromhex(digits)
    return Ed25519PublicKey.from_public_bytes(public_key).public_bytes_raw()


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


def entry_batch_message_to_sign(origin: str, first: int, last: int, link: bytes) -> bytes:
    """Return what is signed for entries `first` to `last`, the last of which has `link`.

    The link hashes the whole chain before it, so one signature speaks for each
    entry of the batch.
    """
    return f"commonwatt ledger v1\n{origin}\n{first}\n{last}\n{link.hex()}\n".encode()
