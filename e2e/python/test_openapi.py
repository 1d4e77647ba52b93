"""The description that the server serves, tried against that server: schemathesis makes bodies out of it, and each answer
is held against it. Every operation is reached past authentication, and all but the documented refusals succeed."""

import json
import unittest
from collections import Counter

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from support.api import Api
from support.client_crypto import Key
from support.contacts import fresh_email
from support.plausible import World, enclosed, guess, plausible
from support.server import Server

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
#: Bodies for each operation, of which each is sent as it is and again with meaning.
EXAMPLES = 3

#: Refused whatever they say: there are no OAuth logins (docs/compatibility.md).
REFUSED = {"oauth", "oauth_login", "oauth2_authenticate"}
#: They undo what others need, and come last, in this order.
LAST = ["update_auth_proxy_config", "disable_auth_proxy", "enable_auth_proxy"]

schemathesis.openapi.format("email", st.from_regex(r"[a-z]{1,8}@[a-z]{1,8}\.example", fullmatch=True))


def operations(schema: schemathesis.BaseSchema) -> list[schemathesis.APIOperation]:
    found = [result.ok() for result in schema.get_all_operations()]
    rank = {name: number for number, name in enumerate(LAST, start=1)}
    return sorted(found, key=lambda operation: rank.get(name_of(operation), 0))


def name_of(operation: schemathesis.APIOperation) -> str:
    return operation.path.rsplit("/", 1)[1]


def each_body(operation: schemathesis.APIOperation, use) -> None:
    """Calls ``use`` with some cases, the same in each run."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def run(case: schemathesis.Case) -> None:
        use(case)

    run()


class Description(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        cls.api = Api(cls.server)

    def schema(self, name: str) -> schemathesis.BaseSchema:
        return schemathesis.openapi.from_url(f"{self.server.url}/openapi/{name}")

    def test_the_auth_proxy_answers_as_described(self) -> None:
        headers = {"X-Auth-Proxy-Config-Id": self.server.auth_proxy_config_id}
        reached = {}
        for operation in operations(self.schema("proxy.json")):
            name, statuses = name_of(operation), Counter()

            def use(case: schemathesis.Case) -> None:
                for body in [case.body, self.proxied(name, case.body)]:
                    response = requests.post(self.server.url + operation.path, json=body, headers=headers, timeout=30)
                    with self.subTest(operation.path, body=body):
                        case.validate_response(response, checks=CHECKS)
                        self.assertNotIn("auth proxy config", response.text)
                    statuses[response.status_code] += 1

            each_body(operation, use)
            reached[name] = statuses
        self.succeeded(reached)

    def proxied(self, name: str, body: dict) -> dict:
        """The body with meaning."""
        world = World(self.api, "otp")
        if name.startswith("otp_init"):
            return {"otpType": "OTP_TYPE_EMAIL", "contact": fresh_email()}
        if name.startswith("otp_verify"):
            kind = "VERIFY_OTP" if name == "otp_verify" else "VERIFY_OTP_V2"
            members: dict = {}
            guess(world, {"type": kind}, members)
            return members
        if name == "account":
            return {"filterType": "PUBLIC_KEY", "filterValue": Key.new().public_hex}
        if name.startswith("signup") or name.startswith("otp_login"):
            email = fresh_email()
            token = world.token(email)
            lists = {"apiKeys": [], "authenticators": [], "oauthProviders": []}
            usage = {("signupV2" if name == "signup_v2" else "signup"): {"email": email, **lists}}
            signature = world.signature(token, usage, "USAGE_TYPE_SIGNUP")
            signup = {"userEmail": email, "verificationToken": token, "clientSignature": signature, **lists}
            if name.startswith("signup"):
                return signup
            headers = {"X-Auth-Proxy-Config-Id": self.server.auth_proxy_config_id}
            usage = {"signupV2": {"email": email, **lists}}
            signup["clientSignature"] = world.signature(token, usage, "USAGE_TYPE_SIGNUP")
            made = requests.post(f"{self.server.url}/v1/signup_v2", json=signup, headers=headers, timeout=30)
            made.raise_for_status()
            login = {"login": {"publicKey": world.key.public_hex}}
            return {
                "verificationToken": token,
                "publicKey": world.key.public_hex,
                "organizationId": made.json()["organizationId"],
                "clientSignature": world.signature(token, login, "USAGE_TYPE_LOGIN"),
            }
        return body

    def test_the_public_api_answers_as_described(self) -> None:
        reached = {}
        for operation in operations(self.schema("public.json")):
            name, statuses = name_of(operation), Counter()
            world = World(self.api, name)

            def use(case: schemathesis.Case) -> None:
                if operation.method == "get":
                    response = requests.get(self.server.url + operation.path, timeout=30)
                    with self.subTest(operation.path):
                        case.validate_response(response, checks=CHECKS)
                    statuses[response.status_code] += 1
                    return
                for body, actor in [(enclosed(world, case.body), world.actor), plausible(world, case.body)]:
                    response = self.api.send(actor, operation.path, body)
                    with self.subTest(operation.path, body=json.dumps(body)):
                        case.validate_response(response, checks=CHECKS)
                        self.assertNotEqual(response.status_code, 401, response.text)
                    statuses[response.status_code] += 1

            each_body(operation, use)
            reached[name] = statuses
        self.succeeded(reached)

    def succeeded(self, reached: dict[str, Counter]) -> None:
        self.assertGreater(len(reached), 10)
        without = {name: dict(statuses) for name, statuses in reached.items() if not statuses[200] and name not in REFUSED}
        self.assertEqual(without, {})
        for name in REFUSED & reached.keys():
            self.assertEqual(reached[name][200], 0, name)


if __name__ == "__main__":
    unittest.main()
