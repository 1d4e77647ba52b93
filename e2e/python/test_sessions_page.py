"""The Python snippet of docs/sessions.md, as it stands there, over tokens that must pass and tokens that must not."""

import json
import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _snippet():
    page = (ROOT / "docs/sessions.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    if len(blocks) != 1:
        raise AssertionError(f"docs/sessions.md has {len(blocks)} Python blocks")
    names = {}
    exec(compile(blocks[0], "docs/sessions.md", "exec"), names)
    return names


class SessionsPage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        names = _snippet()
        cls.check_session = staticmethod(names["check_session"])
        cls.check_verification_token = staticmethod(names["check_verification_token"])
        cls.vectors = json.loads((ROOT / "testdata/vectors/jwts.json").read_text(encoding="utf-8"))

    def judge(self, check, vectors, is_good):
        passed = refused = 0
        for vector in vectors:
            key = vector["overrideKey"]
            if key is None:  # a token of the hosted service, under its own key
                continue
            with self.subTest(vector["name"]):
                if is_good(vector):
                    self.assertTrue(check(vector["token"], [key])["public_key"])
                    passed += 1
                else:
                    with self.assertRaises(ValueError):
                        check(vector["token"], [key])
                    refused += 1
        self.assertGreaterEqual(passed, 3)
        self.assertGreaterEqual(refused, 3)

    def test_sessions(self):
        self.judge(
            self.check_session,
            self.vectors["sessionJwts"],
            lambda v: v["verifySessionJwtSignature"] is True and "missing" not in v["coreParse"],
        )

    def test_verification_tokens(self):
        self.judge(
            self.check_verification_token,
            self.vectors["verificationTokens"],
            lambda v: "ok" in v["verifyOtpVerificationToken"],
        )

    def test_a_session_is_over_at_its_expiry_and_each_trusted_key_counts(self):
        vector = self.vectors["sessionJwts"][0]
        token, key, claims = vector["token"], vector["overrideKey"], vector["claims"]
        other = self.vectors["verificationTokens"][0]["overrideKey"]
        self.assertEqual(self.check_session(token, [other, key], now=claims["exp"] - 1), claims)
        for trusted, now in [([key], claims["exp"]), ([other], 0), ([], 0)]:
            with self.assertRaises(ValueError):
                self.check_session(token, trusted, now=now)


if __name__ == "__main__":
    unittest.main()
