"""Stamped calls with bodies of any form, where the published client would not let them be made."""

import json
import time
import uuid
from dataclasses import dataclass, field

import requests
from turnkey_api_key_stamper import ApiKeyStamper, ApiKeyStamperConfig

from support.client_crypto import Key
from support.server import Server


@dataclass
class Actor:
    """A user with a P-256 key, in its organization."""

    organization_id: str
    user_id: str
    key: Key
    stamper: ApiKeyStamper = field(init=False)

    def __post_init__(self) -> None:
        config = ApiKeyStamperConfig(api_public_key=self.key.public_hex, api_private_key=self.key.private_hex)
        self.stamper = ApiKeyStamper(config)


class Api:
    """One server, and its first organization's API user."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.session = requests.Session()
        key = Key.from_bytes(bytes.fromhex(server.api_private_key))
        self.backend = Actor(server.organization_id, server.user_id, key)

    def send(self, actor: Actor, path: str, body: object) -> requests.Response:
        text = json.dumps(body)
        stamp = actor.stamper.stamp(text)
        headers = {stamp.stamp_header_name: stamp.stamp_header_value, "Content-Type": "application/json"}
        return self.session.post(self.server.url + path, data=text.encode(), headers=headers, timeout=30)

    def activity(self, kind: str, organization_id: str, parameters: dict) -> dict:
        """The body of an activity, ``kind`` with its version."""
        return {
            "type": f"ACTIVITY_TYPE_{kind}",
            "timestampMs": str(int(time.time() * 1000)),
            "organizationId": organization_id,
            "parameters": parameters,
        }

    def submit(self, actor: Actor, kind: str, parameters: dict, organization_id: str | None = None) -> dict:
        """The activity that this comes to; anything but an answer is an error of the test."""
        name = kind.lower()
        for version in range(1, 9):
            name = name.removesuffix(f"_v{version}")
        body = self.activity(kind, organization_id or actor.organization_id, parameters)
        response = self.send(actor, f"/public/v1/submit/{name}", body)
        if response.status_code != 200:
            raise AssertionError(f"{kind}: {response.status_code} {response.text}")
        return response.json()["activity"]

    def result(self, actor: Actor, kind: str, parameters: dict, organization_id: str | None = None) -> dict:
        """What it results in."""
        activity = self.submit(actor, kind, parameters, organization_id)
        if activity["status"] != "ACTIVITY_STATUS_COMPLETED":
            raise AssertionError(f"{kind}: {activity['status']}")
        return next(iter(activity["result"].values()))

    def query(self, actor: Actor, name: str) -> dict:
        response = self.send(actor, f"/public/v1/query/{name}", {"organizationId": actor.organization_id})
        response.raise_for_status()
        return response.json()

    def company(self, root_users: int = 1, threshold: int = 1) -> list[Actor]:
        """A fresh sub-organization's root users, each with a key and an e-mail address."""
        keys = [Key.new() for _ in range(root_users)]
        users = [
            {
                "userName": f"Root {number}",
                "userEmail": f"root-{uuid.uuid4()}@example.com",
                "apiKeys": [{"apiKeyName": "first", "publicKey": key.public_hex, "curveType": "API_KEY_CURVE_P256"}],
                "authenticators": [],
                "oauthProviders": [],
            }
            for number, key in enumerate(keys)
        ]
        made = self.result(
            self.backend,
            "CREATE_SUB_ORGANIZATION_V8",
            {"subOrganizationName": "Company", "rootUsers": users, "rootQuorumThreshold": threshold},
        )
        ids = zip(made["rootUserIds"], keys)
        return [Actor(made["subOrganizationId"], user_id, key) for user_id, key in ids]
