"""turnkey-http 0.2.2 with turnkey-api-key-stamper 0.1.1: a Python backend, answers parsed by the package's strict models."""

import unittest

from turnkey_api_key_stamper import ApiKeyStamper, ApiKeyStamperConfig
from turnkey_http import TurnkeyClient
from turnkey_sdk_types import (
    CreateApiKeysBody,
    CreateSubOrganizationBody,
    DeleteApiKeysBody,
    GetActivitiesBody,
    GetActivityBody,
    GetApiKeyBody,
    GetApiKeysBody,
    GetOrganizationConfigsBody,
    GetSubOrgIdsBody,
    GetUserBody,
    GetUsersBody,
    GetVerifiedSubOrgIdsBody,
    GetWhoamiBody,
    InitOtpAuthBody,
    InitOtpBody,
    OtpAuthBody,
    OtpLoginBody,
    RemoveOrganizationFeatureBody,
    SetOrganizationFeatureBody,
    StampLoginBody,
    TurnkeyNetworkError,
    VerifyOtpBody,
    v1ApiKeyParamsV2,
    v1ClientSignature,
    v1FeatureName,
    v1Pagination,
    v1RootUserParamsV4,
)

from support.client_crypto import (
    Key,
    claims,
    encrypt_code,
    open_credential_bundle,
    verify_session,
    verify_token,
)
from support.contacts import CHANNELS, Channel, fresh_email
from support.server import Server


def client_of(server: Server, public_key: str, private_key: str) -> TurnkeyClient:
    stamper = ApiKeyStamper(ApiKeyStamperConfig(api_public_key=public_key, api_private_key=private_key))
    return TurnkeyClient(base_url=server.url, stamper=stamper, organization_id=server.organization_id)


class ServerTest(unittest.TestCase):
    """One fresh server for the tests of a class."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        cls.backend = client_of(cls.server, cls.server.api_public_key, cls.server.api_private_key)

    def user(self, key: Key) -> TurnkeyClient:
        return client_of(self.server, key.public_hex, key.private_hex)

    def sub_organization(self, name: str = "Home", **user) -> tuple[str, str]:
        verification = {member: user.pop(member) for member in ("verificationToken", "clientSignature") if member in user}
        root = {"userName": "User", "apiKeys": [], "authenticators": [], "oauthProviders": [], **user}
        made = self.backend.create_sub_organization(
            CreateSubOrganizationBody(
                subOrganizationName=name,
                rootQuorumThreshold=1,
                rootUsers=[v1RootUserParamsV4(**root)],
                **verification,
            )
        )
        return made.subOrganizationId, made.rootUserIds[0]

    def prove(self, channel: Channel, contact: str, key: Key) -> str:
        """Requests a code and proves it; the answer is the verification token."""
        sent = self.backend.init_otp(InitOtpBody(otpType=channel.otp_type, contact=contact, appName="Acme"))
        bundle = encrypt_code(
            self.server.code(contact, sent.otpId),
            sent.otpEncryptionTargetBundle,
            key.public_hex,
            self.server.bundle_signer_public_key,
        )
        return self.backend.verify_otp(VerifyOtpBody(otpId=sent.otpId, encryptedOtpBundle=bundle)).verificationToken

    def log_in(self, organization_id: str, token: str, key: Key) -> str:
        signature = key.client_signature(
            {"login": {"publicKey": key.public_hex}, "tokenId": claims(token)["id"], "type": "USAGE_TYPE_LOGIN"}
        )
        return self.backend.otp_login(
            OtpLoginBody(
                organizationId=organization_id,
                verificationToken=token,
                publicKey=key.public_hex,
                clientSignature=v1ClientSignature(**signature),
            )
        ).session

    def assert_refused(self, status: int, text: str, call) -> None:
        with self.assertRaises(TurnkeyNetworkError) as caught:
            call()
        self.assertEqual(caught.exception.status_code, status, caught.exception)
        self.assertIn(text, str(caught.exception))


class LoggingIn(ServerTest):
    def test_a_new_user_signs_up_and_logs_in(self) -> None:
        for channel in CHANNELS:
            with self.subTest(channel.name):
                contact, key = channel.fresh(), Key.new()
                token = self.prove(channel, contact, key)
                verify_token(token, self.server.bundle_signer_public_key)
                self.assertEqual(claims(token)["contact"], contact)

                lists = {"apiKeys": [], "authenticators": [], "oauthProviders": []}
                contact_name = "email" if channel.name == "email" else "phoneNumber"
                signature = key.client_signature(
                    {
                        "signup": {**lists, contact_name: contact},
                        "tokenId": claims(token)["id"],
                        "type": "USAGE_TYPE_SIGNUP",
                    }
                )
                organization_id, user_id = self.sub_organization(
                    **{channel.user_member: contact},
                    verificationToken=token,
                    clientSignature=v1ClientSignature(**signature),
                )
                session = self.log_in(organization_id, token, key)
                verify_session(session, self.server.session_signer_public_key)
                self.assertEqual(claims(session)["user_id"], user_id)
                whoami = self.user(key).get_whoami(GetWhoamiBody(organizationId=organization_id))
                self.assertEqual((whoami.organizationId, whoami.userId), (organization_id, user_id))

    def test_a_known_user_logs_in_and_only_then_counts_as_verified(self) -> None:
        for channel in CHANNELS:
            with self.subTest(channel.name):
                contact, key = channel.fresh(), Key.new()
                organization_id, _ = self.sub_organization(**{channel.user_member: contact})
                verified = GetVerifiedSubOrgIdsBody(filterType=channel.filter_type, filterValue=contact)
                self.assertEqual(self.backend.get_verified_sub_org_ids(verified).organizationIds, [])
                session = self.log_in(organization_id, self.prove(channel, contact, key), key)
                self.assertEqual(claims(session)["organization_id"], organization_id)
                self.assertEqual(self.backend.get_verified_sub_org_ids(verified).organizationIds, [organization_id])

    def test_a_credential_bundle_of_the_legacy_flow_opens_and_its_key_stamps(self) -> None:
        for channel in CHANNELS:
            with self.subTest(channel.name):
                contact, target = channel.fresh(), Key.new()
                organization_id, user_id = self.sub_organization(**{channel.user_member: contact})
                sent = self.backend.init_otp_auth(
                    InitOtpAuthBody(
                        organizationId=organization_id, otpType=channel.otp_type, contact=contact, appName="Acme"
                    )
                )
                answer = self.backend.otp_auth(
                    OtpAuthBody(
                        organizationId=organization_id,
                        otpId=sent.otpId,
                        otpCode=self.server.code(contact, sent.otpId),
                        targetPublicKey=target.uncompressed_hex,
                    )
                )
                key = open_credential_bundle(answer.credentialBundle, target)
                whoami = self.user(key).get_whoami(GetWhoamiBody(organizationId=organization_id))
                self.assertEqual(whoami.userId, user_id)
                api_key = self.backend.get_api_key(
                    GetApiKeyBody(organizationId=organization_id, apiKeyId=answer.apiKeyId)
                ).apiKey
                self.assertEqual(api_key.credential.publicKey, key.public_hex)

    def test_a_lasting_key_starts_a_session(self) -> None:
        session = Key.new()
        answer = self.backend.stamp_login(StampLoginBody(publicKey=session.public_hex, expirationSeconds="120"))
        verify_session(answer.session, self.server.session_signer_public_key)
        self.assertEqual(self.user(session).get_whoami().userId, self.server.user_id)


class Refusals(ServerTest):
    def test_a_wrong_code_is_the_sdks_network_error(self) -> None:
        contact = fresh_email()
        sent = self.backend.init_otp(InitOtpBody(otpType="OTP_TYPE_EMAIL", contact=contact, appName="Acme"))

        def guess(code: str) -> None:
            bundle = encrypt_code(
                code,
                sent.otpEncryptionTargetBundle,
                Key.new().public_hex,
                self.server.bundle_signer_public_key,
            )
            self.backend.verify_otp(VerifyOtpBody(otpId=sent.otpId, encryptedOtpBundle=bundle))

        self.assert_refused(400, "Invalid OTP code", lambda: guess("222222222"))
        code = self.server.code(contact, sent.otpId)
        guess(code)
        self.assert_refused(400, "Invalid OTP code", lambda: guess(code))

    def test_the_fourth_code_in_three_minutes_is_refused(self) -> None:
        contact = fresh_email()

        def send(device: int) -> None:
            # Equal bytes would be one activity; an identifier per device does not lift the contact's limit.
            self.backend.init_otp(
                InitOtpBody(
                    otpType="OTP_TYPE_EMAIL", contact=contact, appName="Acme", userIdentifier=f"{device}-{contact}"
                )
            )

        for device in range(3):
            send(device)
        self.assert_refused(400, "Max number of OTPs have been initiated", lambda: send(3))

    def test_an_unknown_key_is_refused(self) -> None:
        self.assert_refused(401, "could not find public key in organization", self.user(Key.new()).get_whoami)


class KeysFeaturesAndQueries(ServerTest):
    def test_api_keys_are_created_and_deleted(self) -> None:
        key = Key.new()
        made = self.backend.create_api_keys(
            CreateApiKeysBody(
                userId=self.server.user_id,
                apiKeys=[
                    v1ApiKeyParamsV2(apiKeyName="Second", publicKey=key.public_hex, curveType="API_KEY_CURVE_P256")
                ],
            )
        )
        self.assertEqual(self.user(key).get_whoami().userId, self.server.user_id)
        deleted = self.backend.delete_api_keys(DeleteApiKeysBody(userId=self.server.user_id, apiKeyIds=made.apiKeyIds))
        self.assertEqual(deleted.apiKeyIds, made.apiKeyIds)
        self.assert_refused(401, "could not find public key in organization", self.user(key).get_whoami)

    def test_a_feature_is_removed_and_set_again(self) -> None:
        name = v1FeatureName.FEATURE_NAME_OTP_EMAIL_AUTH
        body = InitOtpBody(otpType="OTP_TYPE_EMAIL", contact=fresh_email(), appName="Acme")
        removed = self.backend.remove_organization_feature(RemoveOrganizationFeatureBody(name=name))
        self.assertNotIn(name, [feature.name for feature in removed.features])
        self.assert_refused(403, "request not authorized", lambda: self.backend.init_otp(body))
        added = self.backend.set_organization_feature(SetOrganizationFeatureBody(name=name, value=""))
        self.assertIn(name, [feature.name for feature in added.features])
        self.assertTrue(self.backend.init_otp(body).otpId)

    def test_every_query_answers(self) -> None:
        key, email = Key.new(), fresh_email()
        organization_id, user_id = self.sub_organization(
            "Asked about",
            userEmail=email,
            apiKeys=[v1ApiKeyParamsV2(apiKeyName="Device", publicKey=key.public_hex, curveType="API_KEY_CURVE_P256")],
        )
        user = self.user(key)
        whoami = user.get_whoami(GetWhoamiBody(organizationId=organization_id))
        self.assertEqual((whoami.organizationName, whoami.username), ("Asked about", "User"))
        users = user.get_users(GetUsersBody(organizationId=organization_id)).users
        self.assertEqual([(u.userId, u.userEmail, u.mfaPolicies) for u in users], [(user_id, email, [])])
        self.assertEqual(user.get_user(GetUserBody(organizationId=organization_id, userId=user_id)).user, users[0])
        keys = user.get_api_keys(GetApiKeysBody(organizationId=organization_id, userId=user_id)).apiKeys
        self.assertEqual(keys, users[0].apiKeys)
        one = user.get_api_key(GetApiKeyBody(organizationId=organization_id, apiKeyId=keys[0].apiKeyId)).apiKey
        self.assertEqual(one, keys[0])
        configs = user.get_organization_configs(GetOrganizationConfigsBody(organizationId=organization_id)).configs
        self.assertEqual((configs.quorum.threshold, configs.quorum.userIds), (1, [user_id]))

        found = self.backend.get_sub_org_ids(GetSubOrgIdsBody(filterType="EMAIL", filterValue=email))
        self.assertEqual(found.organizationIds, [organization_id])
        newest = self.backend.get_sub_org_ids(GetSubOrgIdsBody(paginationOptions=v1Pagination(limit="1")))
        self.assertEqual(newest.organizationIds, [organization_id])

        login = user.stamp_login(StampLoginBody(organizationId=organization_id, publicKey=Key.new().public_hex))
        listed = user.get_activities(
            GetActivitiesBody(organizationId=organization_id, filterByType=["ACTIVITY_TYPE_STAMP_LOGIN"])
        )
        self.assertEqual([activity.id for activity in listed.activities], [login.activity.id])
        activity = self.backend.get_activity(
            GetActivityBody(organizationId=organization_id, activityId=login.activity.id)
        ).activity
        self.assertEqual(activity.status.value, "ACTIVITY_STATUS_COMPLETED")

    def test_the_same_signed_request_twice_is_one_activity(self) -> None:
        contact = fresh_email()
        signed = self.backend.stamp_init_otp(InitOtpBody(otpType="OTP_TYPE_EMAIL", contact=contact, appName="Acme"))
        first = self.backend.send_signed_request(signed)
        self.assertEqual(self.backend.send_signed_request(signed), first)
        self.server.code(contact, first["activity"]["result"]["initOtpResultV2"]["otpId"])
        self.assertEqual(len(self.server.messages(contact)), 1)


class Expiry(ServerTest):
    def test_an_expired_session_key_is_told_as_such(self) -> None:
        session = Key.new()
        self.backend.stamp_login(StampLoginBody(publicKey=session.public_hex, expirationSeconds="60"))
        user = self.user(session)
        self.assertEqual(user.get_whoami().userId, self.server.user_id)
        self.server.advance_clock(61)
        self.assert_refused(401, "Unauthenticated desc = expired api key publicKey", user.get_whoami)


if __name__ == "__main__":
    unittest.main()
