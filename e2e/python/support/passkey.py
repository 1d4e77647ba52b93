"""A software authenticator, as far as registrations go: what a browser hands to a site that asks for a new passkey."""

import base64
import hashlib
import json
import secrets

from support.client_crypto import Key


def registration(origin: str = "https://app.example", rp_id: str = "app.example") -> tuple[str, dict]:
    """A challenge and the ``Attestation`` that answers it, unattested."""
    numbers = Key.new().private.public_key().public_numbers()
    credential_id = secrets.token_bytes(16)
    # RFC 9053: kty EC2, alg ES256, crv P-256, x, y.
    cose = b"\xa5\x01\x02\x03\x26\x20\x01" + b"".join(
        label + b"\x58\x20" + number.to_bytes(32, "big") for label, number in ((b"\x21", numbers.x), (b"\x22", numbers.y))
    )
    # User present, user verified, attested credential data included; counter 0; AAGUID 0.
    data = hashlib.sha256(rp_id.encode()).digest() + b"\x45" + bytes(4) + bytes(16)
    data += len(credential_id).to_bytes(2, "big") + credential_id + cose
    attestation = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58" + bytes([len(data)]) + data
    challenge = _b64(secrets.token_bytes(32))
    client_data = {"type": "webauthn.create", "challenge": challenge, "origin": origin, "crossOrigin": False}
    return challenge, {
        "credentialId": _b64(credential_id),
        "clientDataJson": _b64(json.dumps(client_data).encode()),
        "attestationObject": _b64(attestation),
        "transports": ["AUTHENTICATOR_TRANSPORT_INTERNAL"],
    }


def browser_form(attestation: dict) -> dict:
    """The same as ``PublicKeyCredentialWithAttestation``."""
    return {
        "id": attestation["credentialId"],
        "rawId": attestation["credentialId"],
        "type": "public-key",
        "response": {name: attestation[name] for name in ("clientDataJson", "attestationObject", "transports")},
        "clientExtensionResults": {},
    }


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
