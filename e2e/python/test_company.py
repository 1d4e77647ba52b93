"""turnkey-http 0.2.2 in an organization of several users: what waits for another's approval is an error of its own."""

import unittest

from turnkey_api_key_stamper import ApiKeyStamper, ApiKeyStamperConfig
from turnkey_http import TurnkeyClient
from turnkey_sdk_types import (
    ApproveActivityBody,
    CreateSubOrganizationBody,
    CreateUsersBody,
    GetActivityBody,
    GetSubOrgIdsBody,
    RejectActivityBody,
    TurnkeyActivityConsensusNeededError,
    TurnkeyNetworkError,
    UpdateRootQuorumBody,
    v1ApiKeyParamsV2,
    v1RootUserParamsV4,
    v1UserParamsV3,
)

from support.client_crypto import Key
from support.contacts import fresh_email
from support.server import Server


class Consensus(unittest.TestCase):
    """An organization whose two root users decide together."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)
        cls.ada = cls.client(cls.server.api_public_key, cls.server.api_private_key)
        cls.ben, ben_id = cls.hire("Ben")
        cls.cyd, _ = cls.hire("Cyd")
        cls.ada.update_root_quorum(UpdateRootQuorumBody(threshold=2, userIds=[cls.server.user_id, ben_id]))

    @classmethod
    def client(cls, public_key: str, private_key: str) -> TurnkeyClient:
        stamper = ApiKeyStamper(ApiKeyStamperConfig(api_public_key=public_key, api_private_key=private_key))
        return TurnkeyClient(base_url=cls.server.url, stamper=stamper, organization_id=cls.server.organization_id)

    @classmethod
    def hire(cls, name: str) -> tuple[TurnkeyClient, str]:
        key = Key.new()
        api_key = v1ApiKeyParamsV2(apiKeyName="Key", publicKey=key.public_hex, curveType="API_KEY_CURVE_P256")
        user = v1UserParamsV3(userName=name, apiKeys=[api_key], authenticators=[], oauthProviders=[], userTags=[])
        made = cls.ada.create_users(CreateUsersBody(users=[user]))
        return cls.client(key.public_hex, key.private_hex), made.userIds[0]

    def ask(self, name: str):
        """Ada asks for a sub-organization; the answer is the activity, which waits."""
        root = v1RootUserParamsV4(
            userName="User", userEmail=fresh_email(), apiKeys=[], authenticators=[], oauthProviders=[]
        )
        with self.assertRaises(TurnkeyActivityConsensusNeededError) as caught:
            self.ada.create_sub_organization(
                CreateSubOrganizationBody(subOrganizationName=name, rootQuorumThreshold=1, rootUsers=[root])
            )
        self.assertEqual(caught.exception.activity_status, "ACTIVITY_STATUS_CONSENSUS_NEEDED")
        self.assertEqual(self.named(name), [])
        return self.ada.get_activity(GetActivityBody(activityId=caught.exception.activity_id)).activity

    def named(self, name: str) -> list[str]:
        return self.ada.get_sub_org_ids(GetSubOrgIdsBody(filterType="NAME", filterValue=name)).organizationIds

    def test_what_waits_for_an_approval_is_done_when_it_is_given(self) -> None:
        asked = self.ask("Approved")
        approval = ApproveActivityBody(fingerprint=asked.fingerprint)
        with self.assertRaises(TurnkeyNetworkError) as caught:
            self.cyd.approve_activity(approval)
        self.assertEqual(caught.exception.status_code, 403)

        done = self.ben.approve_activity(approval).activity
        self.assertEqual((done.id, done.status.value, len(done.votes)), (asked.id, "ACTIVITY_STATUS_COMPLETED", 2))
        made = done.result.createSubOrganizationResultV7
        self.assertEqual(self.named("Approved"), [made.subOrganizationId])

    def test_what_is_rejected_is_not_done(self) -> None:
        asked = self.ask("Rejected")
        rejected = self.ben.reject_activity(RejectActivityBody(fingerprint=asked.fingerprint)).activity
        self.assertEqual((rejected.id, rejected.status.value), (asked.id, "ACTIVITY_STATUS_REJECTED"))
        self.assertEqual(self.named("Rejected"), [])


if __name__ == "__main__":
    unittest.main()
