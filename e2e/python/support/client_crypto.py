"""What the Python SDK has no function for and an application therefore brings itself.

The HPKE part is RFC 9180 base mode, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, sealed once, in the form
the TypeScript SDK sends it: info ``turnkey_hpke``, associated data the two public keys side by side.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_INFO = b"turnkey_hpke"
_KEM_SUITE = b"KEM" + (0x0010).to_bytes(2, "big")
_HPKE_SUITE = b"HPKE" + b"".join(part.to_bytes(2, "big") for part in (0x0010, 0x0001, 0x0002))
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ECDSA_SHA256 = ec.ECDSA(hashes.SHA256())


@dataclass(frozen=True)
class Key:
    """A P-256 key pair in the hex forms the API takes."""

    private: ec.EllipticCurvePrivateKey

    @staticmethod
    def new() -> "Key":
        return Key(ec.generate_private_key(ec.SECP256R1()))

    @staticmethod
    def from_bytes(secret: bytes) -> "Key":
        return Key(ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1()))

    @property
    def private_hex(self) -> str:
        return self.private.private_numbers().private_value.to_bytes(32, "big").hex()

    @property
    def public_hex(self) -> str:
        return _point(self.private.public_key(), serialization.PublicFormat.CompressedPoint).hex()

    @property
    def uncompressed_hex(self) -> str:
        return _uncompressed(self.private.public_key()).hex()

    def client_signature(self, value: dict) -> dict:
        """The members of ``v1ClientSignature`` over this message, the signature as raw r and s."""
        message = json.dumps(value)
        r, s = decode_dss_signature(self.private.sign(message.encode(), _ECDSA_SHA256))
        return {
            "publicKey": self.public_hex,
            "scheme": "CLIENT_SIGNATURE_SCHEME_API_P256",
            "message": message,
            "signature": (r.to_bytes(32, "big") + s.to_bytes(32, "big")).hex(),
        }


def claims(jwt: str) -> dict:
    """The claims of a token, unverified."""
    return json.loads(_unpadded(jwt.split(".")[1]))


def verify_session(jwt: str, signer_hex: str) -> None:
    """Raises unless the session signer signed this JWT: ECDSA over SHA-256 of SHA-256 of header and payload."""
    signed, _, signature = jwt.rpartition(".")
    digest = hashlib.sha256(hashlib.sha256(signed.encode()).digest()).digest()
    _public(bytes.fromhex(signer_hex)).verify(_der(_unpadded(signature)), digest, ec.ECDSA(Prehashed(hashes.SHA256())))


def verify_token(jwt: str, signer_hex: str) -> None:
    """Raises unless the bundle signer signed this verification token, an ordinary ES256 JWT."""
    signed, _, signature = jwt.rpartition(".")
    _public(bytes.fromhex(signer_hex)).verify(_der(_unpadded(signature)), signed.encode(), _ECDSA_SHA256)


def encrypt_code(code: str, target_bundle: str, public_key: str, signer_hex: str) -> str:
    """The ``encryptedOtpBundle`` for a code, after the target bundle's signature was checked with the signer's key."""
    bundle = json.loads(target_bundle)
    if bundle["enclaveQuorumPublic"] != signer_hex:
        raise InvalidSignature("the bundle names another signer")
    data = bytes.fromhex(bundle["data"])
    _public(bytes.fromhex(signer_hex)).verify(bytes.fromhex(bundle["dataSignature"]), data, _ECDSA_SHA256)
    receiver = _public(bytes.fromhex(json.loads(data)["targetPublic"]))
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    sender_bytes, receiver_bytes = _uncompressed(ephemeral.public_key()), _uncompressed(receiver)
    aead, nonce = _context(ephemeral.exchange(ec.ECDH(), receiver), sender_bytes, receiver_bytes)
    plaintext = json.dumps({"otp_code": code, "public_key": public_key}).encode()
    ciphertext = aead.encrypt(nonce, plaintext, sender_bytes + receiver_bytes)
    return json.dumps({"encappedPublic": sender_bytes.hex(), "ciphertext": ciphertext.hex()})


def open_credential_bundle(bundle: str, key: Key) -> Key:
    """The API key inside a ``credentialBundle`` made for ``key``."""
    payload = _base58check(bundle)
    sender = _public(payload[:33])
    sender_bytes, receiver_bytes = _uncompressed(sender), _uncompressed(key.private.public_key())
    aead, nonce = _context(key.private.exchange(ec.ECDH(), sender), sender_bytes, receiver_bytes)
    return Key.from_bytes(aead.decrypt(nonce, payload[33:], sender_bytes + receiver_bytes))


def _context(shared: bytes, sender: bytes, receiver: bytes) -> tuple[AESGCM, bytes]:
    prk = _extract(_KEM_SUITE, b"", b"eae_prk", shared)
    secret = _expand(_KEM_SUITE, prk, b"shared_secret", sender + receiver, 32)
    schedule = b"\x00" + _extract(_HPKE_SUITE, b"", b"psk_id_hash", b"") + _extract(_HPKE_SUITE, b"", b"info_hash", _INFO)
    prk = _extract(_HPKE_SUITE, secret, b"secret", b"")
    return AESGCM(_expand(_HPKE_SUITE, prk, b"key", schedule, 32)), _expand(_HPKE_SUITE, prk, b"base_nonce", schedule, 12)


def _extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def _expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    # At most one block of output is ever asked for here.
    block = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info + b"\x01"
    return hmac.digest(prk, block, "sha256")[:length]


def _base58check(text: str) -> bytes:
    number = 0
    for character in text:
        number = number * 58 + _BASE58.index(character)
    zeros = len(text) - len(text.lstrip("1"))
    raw = bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
    payload, checksum = raw[:-4], raw[-4:]
    if hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4] != checksum:
        raise ValueError("wrong checksum")
    return payload


def _public(point: bytes) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


def _point(key: ec.EllipticCurvePublicKey, form: serialization.PublicFormat) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, form)


def _uncompressed(key: ec.EllipticCurvePublicKey) -> bytes:
    return _point(key, serialization.PublicFormat.UncompressedPoint)


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _der(raw: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
