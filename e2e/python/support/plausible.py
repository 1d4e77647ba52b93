"""Turns bodies that only have the right form into ones that mean something: ids of things that are there, keys on
their curve, texts that parse. Each operation gets an organization of its own, so that none is in another's way."""

import base64
import json
import time
import uuid
from dataclasses import dataclass, field
from functools import cached_property
from typing import Callable

from support.api import Actor, Api
from support.client_crypto import Key, claims, encrypt_code
from support.contacts import fresh_email, fresh_phone
from support.passkey import browser_form, registration

#: Only organizations that may have sub-organizations run these.
OF_PARENTS = {"create_sub_organization", "create_session_profile", "enable_auth_proxy", "disable_auth_proxy", "update_auth_proxy_config", "get_auth_proxy_config"}


@dataclass
class World:
    """What an operation can refer to, made when it is first referred to."""

    api: Api
    name: str
    key: Key = field(default_factory=Key.new)

    @cached_property
    def actors(self) -> list[Actor]:
        if self.name in OF_PARENTS or "otp" in self.name:
            return [self.api.backend]
        votes = self.name in ("approve_activity", "reject_activity")
        return self.api.company(root_users=2, threshold=2 if votes else 1)

    @property
    def actor(self) -> Actor:
        return self.actors[0]

    @property
    def organization_id(self) -> str:
        return self.actor.organization_id

    def make(self, kind: str, parameters: dict) -> dict:
        return self.api.result(self.actor, kind, parameters)

    def user(self, **members: object) -> str:
        key = {"apiKeyName": "key", "publicKey": Key.new().public_hex, "curveType": "API_KEY_CURVE_P256"}
        user = {"userName": "User", "apiKeys": [key], "authenticators": [], "oauthProviders": [], "userTags": [], **members}
        return self.make("CREATE_USERS_V4", {"users": [user]})["userIds"][0]

    def tag(self) -> str:
        return self.make("CREATE_USER_TAG", {"userTagName": _unique("tag"), "userIds": []})["userTagId"]

    def policy(self) -> str:
        return self.make("CREATE_POLICY_V3", {"policyName": _unique("policy"), "effect": "EFFECT_ALLOW", "condition": "true", "notes": ""})["policyId"]

    def api_key(self, user_id: str) -> str:
        key = {"apiKeyName": "key", "publicKey": Key.new().public_hex, "curveType": "API_KEY_CURVE_P256"}
        return self.make("CREATE_API_KEYS_V2", {"userId": user_id, "apiKeys": [key]})["apiKeyIds"][0]

    def passkey(self, user_id: str) -> str:
        return self.make("CREATE_AUTHENTICATORS_V2", {"userId": user_id, "authenticators": [passkey()]})["authenticatorIds"][0]

    def oauth_provider(self, user_id: str) -> str:
        return self.make("CREATE_OAUTH_PROVIDERS_V2", {"userId": user_id, "oauthProviders": [oauth_provider()]})["providerIds"][0]

    def mfa_policy(self, user_id: str) -> str:
        method = {"any": [{"type": "AUTHENTICATION_TYPE_API_KEY"}]}
        policy = {"userId": user_id, "mfaPolicyName": "mfa", "condition": "false", "requiredAuthenticationMethods": [method], "order": 1}
        return self.make("CREATE_MFA_POLICY", policy)["mfaPolicyId"]

    def session_profile(self) -> str:
        profile = {"sessionProfileName": _unique("profile"), "scope": "true"}
        return self.api.result(self.api.backend, "CREATE_SESSION_PROFILE", profile)["sessionProfileId"]

    def webhook_endpoint(self) -> str:
        """One at a time: an organization has ten at most."""
        for known in self.api.query(self.actor, "list_webhook_endpoints")["webhookEndpoints"]:
            self.make("DELETE_WEBHOOK_ENDPOINT", {"endpointId": known["endpointId"]})
        return self.make("CREATE_WEBHOOK_ENDPOINT", {"url": "https://127.0.0.1:9/", "name": "hook"})["endpointId"]

    def activity_id(self) -> str:
        return self.api.submit(self.actor, "CREATE_USER_TAG", {"userTagName": _unique("tag"), "userIds": []})["id"]

    def sent_code(self, kind: str, email: str, organization_id: str) -> tuple[dict, str]:
        parameters = {"otpType": "OTP_TYPE_EMAIL", "contact": email, "appName": "Acme"}
        result = self.api.result(self.api.backend, kind, parameters, organization_id)
        return result, self.api.server.code(email, result["otpId"])

    def token(self, email: str) -> str:
        """A verification token that names this world's key."""
        sent, code = self.sent_code("INIT_OTP_V3", email, self.api.backend.organization_id)
        bundle = encrypt_code(code, sent["otpEncryptionTargetBundle"], self.key.public_hex, self.api.server.bundle_signer_public_key)
        verified = {"otpId": sent["otpId"], "encryptedOtpBundle": bundle}
        return self.api.result(self.api.backend, "VERIFY_OTP_V2", verified)["verificationToken"]

    def signature(self, token: str, usage: dict, usage_type: str) -> dict:
        return self.key.client_signature({**usage, "tokenId": claims(token)["id"], "type": usage_type})


def passkey() -> dict:
    challenge, attestation = registration()
    return {"authenticatorName": "passkey", "challenge": challenge, "attestation": attestation}


def oauth_provider() -> dict:
    return {"providerName": "provider", "oidcClaims": {"iss": "https://issuer.example", "sub": str(uuid.uuid4()), "aud": "app"}}


def _unique(what: str) -> str:
    return f"{what} {uuid.uuid4()}"


#: Members that must be of a form that the description can only approximate, wherever they stand.
MEMBERS: dict[str, Callable[[], object]] = {
    "userEmail": fresh_email,
    "userPhoneNumber": fresh_phone,
    "sendFromEmailAddress": lambda: "sender@example.com",
    "replyToEmailAddress": lambda: "reply@example.com",
    "targetPublicKey": lambda: Key.new().uncompressed_hex,
    "expirationSeconds": lambda: "300",
    "templateVariables": lambda: "{}",
    "condition": lambda: "activity.kind == 'CREATE_USERS'",
    "policyCondition": lambda: "activity.resource == 'USER'",
    "consensus": lambda: "approvers.any(user, true)",
    "policyConsensus": lambda: "approvers.count() >= 1",
    "scope": lambda: "activity.resource == 'USER'",
    "time": lambda: "time.now > Timestamp('2024-01-01T00:00:00Z')",
    "policyName": lambda: _unique("policy"),
    "userTagName": lambda: _unique("tag"),
    "newUserTagName": lambda: _unique("tag"),
    "sessionProfileName": lambda: _unique("profile"),
    "mfaPolicyName": lambda: _unique("mfa"),
    "allowedOrigins": lambda: ["*"],
    "sessionExpirationSeconds": lambda: 900,
    "oauthProviders": lambda: [],
    "authenticators": lambda: [],
    "userTags": lambda: [],
    "paginationOptions": lambda: {"limit": "10"},
}

#: Optional members that refer to things outside of the request.
LEFT_OUT = {"templateId", "otpTemplateId", "emailAuthTemplateId", "sessionProfileId", "captchaEnabled", "verificationToken", "clientSignature", "userTag", "walletKitSettings", "id"}


def _walk(value: object) -> None:
    if isinstance(value, list):
        for item in value:
            _walk(item)
    if not isinstance(value, dict):
        return
    for name in LEFT_OUT & value.keys():
        del value[name]
    for name in MEMBERS.keys() & value.keys():
        value[name] = MEMBERS[name]()
    if "apiKeys" in value:
        value["apiKeys"] = [_api_key(given) for given in value["apiKeys"][:2]] or [_api_key({})]
    for name, item in value.items():
        if name != "apiKeys":
            _walk(item)


def _api_key(given: dict) -> dict:
    """The same on P-256, and lasting: every user needs one that does."""
    key = {"apiKeyName": "key", "publicKey": Key.new().public_hex}
    return {**key, "curveType": "API_KEY_CURVE_P256"} if "curveType" in given or not given else key


def _of(body: dict) -> int:
    """The version that a body says it has."""
    _, _, version = body["type"].rpartition("_V")
    return int(version) if version.isdigit() else 1


def _users(world: World, body: dict, p: dict) -> None:
    list_name, first_with_curves = next(
        (name, version) for name, version in (("users", 3), ("rootUsers", 6), ("apiOnlyUsers", 9)) if name in p
    )
    p[list_name] = p[list_name][:2]
    for user in p[list_name]:
        user["apiKeys"] = [_api_key({"curveType": ""} if _of(body) >= first_with_curves else {"publicKey": ""})]
    if list_name == "rootUsers":
        p["rootQuorumThreshold"] = 1


def _contact(world: World, body: dict, p: dict) -> None:
    p["contact"] = fresh_email() if p["otpType"] == "OTP_TYPE_EMAIL" else fresh_phone()


def _contact_of_user(world: World, body: dict, p: dict) -> None:
    p["otpType"], p["contact"] = "OTP_TYPE_EMAIL", fresh_email()
    company = World(world.api, "").actor
    world.api.submit(company, "UPDATE_USER_EMAIL", {"userId": company.user_id, "userEmail": p["contact"]})
    body["organizationId"] = company.organization_id


def guess(world: World, body: dict, p: dict) -> None:
    """The members of a right guess, encrypted where the type says V2."""
    email = fresh_email()
    kind = "INIT_OTP_V2" if _of(body) == 1 else "INIT_OTP_V3"
    sent, code = world.sent_code(kind, email, world.organization_id)
    p["otpId"] = sent["otpId"]
    if _of(body) == 1:
        p["otpCode"], p["publicKey"] = code, world.key.public_hex
    else:
        signer = world.api.server.bundle_signer_public_key
        p["encryptedOtpBundle"] = encrypt_code(code, sent["otpEncryptionTargetBundle"], world.key.public_hex, signer)


def _otp_auth(world: World, body: dict, p: dict) -> None:
    started = {"otpType": "OTP_TYPE_EMAIL", "contact": ""}
    _contact_of_user(world, body, started)
    sent, code = world.sent_code("INIT_OTP_AUTH_V3", started["contact"], body["organizationId"])
    p["otpId"], p["otpCode"] = sent["otpId"], code


def _otp_login(world: World, body: dict, p: dict) -> None:
    started = {"otpType": "OTP_TYPE_EMAIL", "contact": ""}
    _contact_of_user(world, body, started)
    token = world.token(started["contact"])
    p["verificationToken"], p["publicKey"] = token, world.key.public_hex
    p["clientSignature"] = world.signature(token, {"login": {"publicKey": world.key.public_hex}}, "USAGE_TYPE_LOGIN")


def _email(world: World, body: dict, p: dict) -> None:
    p["email"] = fresh_email()
    world.make("UPDATE_USER_EMAIL", {"userId": world.actor.user_id, "userEmail": p["email"]})


def _read_write_session(world: World, body: dict, p: dict) -> None:
    if _of(body) == 1:
        _email(world, body, p)
    else:
        p["userId"] = world.actor.user_id


def _vote(world: World, body: dict, p: dict) -> None:
    first, second = world.actors
    proposed = world.api.submit(first, "CREATE_USER_TAG", {"userTagName": _unique("tag"), "userIds": []})
    p["fingerprint"] = proposed["fingerprint"]
    body["actor"] = second


def _webhook(world: World, body: dict, p: dict) -> None:
    if body["type"].endswith("CREATE_WEBHOOK_ENDPOINT"):
        p["subscriptions"] = [{"eventType": "ACTIVITY_UPDATES", "filtersJson": "{}"}]
    else:
        p["endpointId"] = world.webhook_endpoint()
    if "url" in p:
        # An address of this machine, which development lets in: names of others cannot be looked up in a test.
        p["url"] = "https://127.0.0.1:9/activities"


def _registrations(world: World, body: dict, p: dict) -> None:
    p["userId"] = world.user()
    made = passkey()
    if _of(body) == 1:
        made = {**made, "userId": p["userId"], "attestation": browser_form(made["attestation"])}
    p["authenticators"] = [made]


def _identities(world: World, body: dict, p: dict) -> None:
    p["userId"] = world.user()
    token = ".".join(_part(part) for part in ({"alg": "RS256"}, {"iss": "https://issuer.example", "sub": str(uuid.uuid4()), "aud": "app"}, {}))
    p["oauthProviders"] = [{"providerName": "provider", "oidcToken": token}]


def _part(value: dict) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _set(**makers: Callable[[World, dict], object]) -> Callable[[World, dict, dict], None]:
    """Sets members, required or not, each made from the world and the members before it."""

    def recipe(world: World, body: dict, p: dict) -> None:
        for name, make in makers.items():
            p[name] = make(world, p)

    return recipe


def _fresh_user(world: World, p: dict) -> str:
    return world.user()


def _oneself(world: World, p: dict) -> str:
    return world.actor.user_id


#: What an operation needs beyond that.
RECIPES: dict[str, Callable[[World, dict, dict], None]] = {
    "init_otp": _contact,
    "verify_otp": guess,
    "otp_login": _otp_login,
    "init_otp_auth": _contact_of_user,
    "otp_auth": _otp_auth,
    "email_auth": _email,
    "init_user_email_recovery": _email,
    "recover_user": _set(userId=_oneself, authenticator=lambda w, p: passkey()),
    "stamp_login": _set(publicKey=lambda w, p: Key.new().public_hex),
    "create_read_write_session": _read_write_session,
    "set_organization_feature": _set(name=lambda w, p: "FEATURE_NAME_SMS_AUTH", value=lambda w, p: ""),
    "create_sub_organization": _users,
    "create_users": _users,
    "create_api_only_users": _users,
    "update_root_quorum": _set(userIds=lambda w, p: [w.actor.user_id], threshold=lambda w, p: 1),
    "update_user": _set(userId=_fresh_user, userTagIds=lambda w, p: [w.tag()]),
    "update_user_name": _set(userId=_fresh_user),
    "update_user_email": _set(userId=_fresh_user),
    "update_user_phone_number": _set(userId=_fresh_user),
    "delete_users": _set(userIds=lambda w, p: [w.user(), w.user()]),
    "create_user_tag": _set(userIds=lambda w, p: [w.user()]),
    "update_user_tag": _set(userTagId=lambda w, p: w.tag(), addUserIds=lambda w, p: [w.user()], removeUserIds=lambda w, p: []),
    "delete_user_tags": _set(userTagIds=lambda w, p: [w.tag()]),
    "create_api_keys": _set(userId=_fresh_user),
    "delete_api_keys": _set(userId=_fresh_user, apiKeyIds=lambda w, p: [w.api_key(p["userId"])]),
    "create_authenticators": _registrations,
    "create_oauth_providers": _identities,
    "delete_authenticators": _set(userId=_fresh_user, authenticatorIds=lambda w, p: [w.passkey(p["userId"])]),
    "delete_oauth_providers": _set(userId=_fresh_user, providerIds=lambda w, p: [w.oauth_provider(p["userId"])]),
    "create_policies": _set(policies=lambda w, p: p["policies"][:2]),
    "update_policy": _set(policyId=lambda w, p: w.policy()),
    "delete_policy": _set(policyId=lambda w, p: w.policy()),
    "delete_policies": _set(policyIds=lambda w, p: [w.policy(), w.policy()]),
    "approve_activity": _vote,
    "reject_activity": _vote,
    "create_webhook_endpoint": _webhook,
    "update_webhook_endpoint": _webhook,
    "delete_webhook_endpoint": _webhook,
    "create_mfa_policy": _set(userId=_fresh_user),
    "update_mfa_policy": _set(userId=_fresh_user, mfaPolicyId=lambda w, p: w.mfa_policy(p["userId"])),
    "delete_mfa_policy": _set(userId=_fresh_user, mfaPolicyId=lambda w, p: w.mfa_policy(p["userId"])),
    "get_activity": _set(activityId=lambda w, p: w.activity_id()),
    "get_user": _set(userId=_fresh_user),
    "get_api_key": _set(apiKeyId=lambda w, p: w.api_key(w.user())),
    "get_api_keys": _set(userId=_fresh_user),
    "get_authenticator": _set(authenticatorId=lambda w, p: w.passkey(w.user())),
    "get_authenticators": _set(userId=_fresh_user),
    "get_oauth_providers": _set(userId=_fresh_user),
    "get_policy": _set(policyId=lambda w, p: w.policy()),
    "get_policy_evaluations": _set(activityId=lambda w, p: w.activity_id()),
    "get_session_profile": _set(sessionProfileId=lambda w, p: w.session_profile()),
    "get_mfa_policies": _set(userId=_fresh_user),
    "get_mfa_policy": _set(userId=_fresh_user, mfaPolicyId=lambda w, p: w.mfa_policy(p["userId"])),
    "get_mfa_status": _set(activityId=lambda w, p: w.activity_id(), userId=_oneself),
    "list_app_proofs": _set(activityId=lambda w, p: w.activity_id()),
    "list_suborgs": _set(filterType=lambda w, p: "NAME", filterValue=lambda w, p: "Company"),
    "list_verified_suborgs": _set(filterType=lambda w, p: "EMAIL", filterValue=lambda w, p: "nobody@example.com"),
}


def enclosed(world: World, body: dict) -> dict:
    """The body in an organization that the actor is of, and of this moment; everything else as it was made up."""
    if isinstance(body, dict):
        body = {**body, "organizationId": world.organization_id}
        if "timestampMs" in body:
            body["timestampMs"] = str(int(time.time() * 1000))
    return body


def plausible(world: World, body: dict) -> tuple[dict, Actor]:
    """The body with meaning, and who sends it."""
    body = enclosed(world, json.loads(json.dumps(body)))
    parameters = body.get("parameters", body)
    _walk(parameters)
    RECIPES.get(world.name, lambda *_: None)(world, body, parameters)
    actor = body.pop("actor", world.actor)
    if world.name in ("init_otp_auth", "otp_auth", "otp_login"):
        actor = world.api.backend
    return body, actor
