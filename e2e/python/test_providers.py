"""``vestibule serve`` with providers that have an HTTP API, each played by a server on loopback. What Twilio signs is signed here by
its own library."""

import json
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Optional
from urllib.parse import parse_qs

import requests
from twilio.request_validator import RequestValidator

from support.api import Api
from support.contacts import fresh_phone
from support.serve import ServedServer
from support.server import until

ACCOUNT = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
TOKEN = "the account's auth token"
PUBLIC_URL = "https://login.example.com"
RECEIPTS = "/vestibule/v1/receipts/twilio"


class Twilio:
    """Takes messages, or refuses them with an error code of Twilio's."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, dict[str, str]]] = []
        self.refuse_with: Optional[int] = None
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                provider.posted.append((self.path, form))
                if provider.refuse_with is None:
                    status, answer = 201, {"sid": f"SM{len(provider.posted):032x}", "status": "queued"}
                else:
                    code = provider.refuse_with
                    status, answer = 400, {"code": code, "message": f"no {form['To']}", "status": 400}
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def to(self, number: str) -> list[dict[str, str]]:
        return [form for _, form in self.posted if form["To"] == number]

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class TwilioProvider(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.twilio = Twilio()
        cls.addClassCleanup(cls.twilio.stop)
        sections = (
            '[pumping]\ncountries = ["*"]\n[sms]\nroute = ["twilio"]\n[providers.twilio]\ntype = "twilio"\n'
            f'account_sid = "{ACCOUNT}"\nfrom = "+15557122661"\nendpoint = "{cls.twilio.url}"\n'
        )
        cls.server = ServedServer(
            sections, {"VESTIBULE_PROVIDER_TWILIO_AUTH_TOKEN": TOKEN}, f'public_url = "{PUBLIC_URL}"\n'
        )
        cls.addClassCleanup(cls.server.stop)
        cls.api = Api(cls.server)

    def setUp(self) -> None:
        self.twilio.refuse_with = None

    def ask(self, to: str) -> requests.Response:
        parameters = {"otpType": "OTP_TYPE_SMS", "contact": to, "appName": "Shop"}
        body = self.api.activity("INIT_OTP_V3", self.server.organization_id, parameters)
        return self.api.send(self.api.backend, "/public/v1/submit/init_otp", body)

    def sent(self, to: str) -> str:
        """Has a code sent, and returns the sid that Twilio gave it."""
        self.assertEqual(self.ask(to).status_code, 200)
        until(f"an SMS to {to}", lambda: self.twilio.to(to) or None)
        number = next(i for i, (_, form) in enumerate(self.twilio.posted, 1) if form["To"] == to)
        return f"SM{number:032x}"

    def callback(self, sid: str, status: str, token: str = TOKEN, **more: str) -> int:
        """Tells what became of a message, as Twilio does; the status of the answer."""
        form = {"MessageSid": sid, "MessageStatus": status, "AccountSid": ACCOUNT, **more}
        signature = RequestValidator(token).compute_signature(PUBLIC_URL + RECEIPTS, form)
        headers = {"X-Twilio-Signature": signature}
        return requests.post(self.server.url + RECEIPTS, data=form, headers=headers, timeout=10).status_code

    def told(self, sid: str, status: str, **more: str) -> None:
        """Tells it again while the record of the message is on its way, as Twilio would."""
        until(f"{status} of {sid} to be taken", lambda: self.callback(sid, status, **more) < 300 or None)

    def test_a_code_is_sent_with_a_lifetime_and_a_callback(self) -> None:
        to = fresh_phone()
        self.sent(to)
        [form] = self.twilio.to(to)
        self.assertEqual(form["From"], "+15557122661")
        self.assertEqual(form["StatusCallback"], PUBLIC_URL + RECEIPTS)
        self.assertLessEqual(int(form["ValidityPeriod"]), 300)
        self.assertIn("Shop", form["Body"])

    def test_a_number_that_twilio_found_not_to_exist_is_left_alone(self) -> None:
        to = fresh_phone()
        self.told(self.sent(to), "undelivered", ErrorCode="30005")
        refused = self.ask(to)
        self.assertEqual(refused.status_code, 400, refused.text)
        self.assertIn("could not reach phone number", refused.text)
        self.assertEqual(len(self.twilio.to(to)), 1)
        self.assertNotIn(to, self.server.log)

    def test_a_handset_that_is_off_is_tried_again_by_the_next_code(self) -> None:
        to = fresh_phone()
        self.told(self.sent(to), "undelivered", ErrorCode="30003")
        self.assertEqual(self.ask(to).status_code, 200)
        until("the second SMS", lambda: len(self.twilio.to(to)) == 2 or None)

    def test_a_callback_that_twilio_did_not_sign_changes_nothing(self) -> None:
        to = fresh_phone()
        sid = self.sent(to)
        self.told(sid, "sent")
        self.assertEqual(self.callback(sid, "undelivered", token="another", ErrorCode="30005"), 401)
        self.assertEqual(self.ask(to).status_code, 200)

    def test_a_number_that_twilio_refuses_is_given_up_and_left_alone(self) -> None:
        to = fresh_phone()
        self.twilio.refuse_with = 21211
        self.assertEqual(self.ask(to).status_code, 200)
        until("the message to be given up", lambda: "error 21211" in self.server.log or None)
        until("the refusal to be known", lambda: self.ask(to).status_code == 400 or None)
        self.assertNotIn(to, self.server.log)


if __name__ == "__main__":
    unittest.main()
