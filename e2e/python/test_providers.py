"""``vestibule serve`` with providers that have an HTTP API, each played by a server on loopback. What Twilio signs is signed here by
its own library."""

import json
import re
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Callable, Optional
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
        self.before_answering: Optional[Callable[[str, dict[str, str]], None]] = None
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                provider.posted.append((self.path, form))
                if provider.refuse_with is None:
                    sid = f"SM{len(provider.posted):032x}"
                    status, answer = 201, {"sid": sid, "status": "queued"}
                    if provider.before_answering is not None:
                        provider.before_answering(sid, form)
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
        self.twilio.before_answering = None

    def ask(self, to: str) -> requests.Response:
        parameters = {"otpType": "OTP_TYPE_SMS", "contact": to, "appName": "Shop"}
        body = self.api.activity("INIT_OTP_V3", self.server.organization_id, parameters)
        return self.api.send(self.api.backend, "/public/v1/submit/init_otp", body)

    def sent(self, to: str) -> tuple[str, dict[str, str]]:
        """Has a code sent, and returns the sid that Twilio gave it and what was posted."""
        self.assertEqual(self.ask(to).status_code, 200)
        until(f"an SMS to {to}", lambda: self.twilio.to(to) or None)
        number, (_, form) = next((i, post) for i, post in enumerate(self.twilio.posted, 1) if post[1]["To"] == to)
        return f"SM{number:032x}", form

    def callback(self, sent: tuple[str, dict[str, str]], status: str, token: str = TOKEN, **more: str) -> int:
        """Tells once what became of a message, as Twilio does; the status of the answer."""
        sid, posted = sent
        url = posted["StatusCallback"]
        form = {"MessageSid": sid, "MessageStatus": status, "AccountSid": ACCOUNT, "To": posted["To"], **more}
        headers = {"X-Twilio-Signature": RequestValidator(token).compute_signature(url, form)}
        here = url.replace(PUBLIC_URL, self.server.url)
        return requests.post(here, data=form, headers=headers, timeout=10).status_code

    def test_a_code_is_sent_with_a_lifetime_and_a_callback(self) -> None:
        to = fresh_phone()
        self.sent(to)
        [form] = self.twilio.to(to)
        self.assertEqual(form["From"], "+15557122661")
        self.assertRegex(form["StatusCallback"], f"^{re.escape(PUBLIC_URL + RECEIPTS)}[?]message=[0-9a-f-]{{36}}$")
        self.assertLessEqual(int(form["ValidityPeriod"]), 300)
        self.assertIn("Shop", form["Body"])

    def test_a_number_that_twilio_found_not_to_exist_is_left_alone(self) -> None:
        to = fresh_phone()
        self.assertEqual(self.callback(self.sent(to), "undelivered", ErrorCode="30005"), 200)
        refused = self.ask(to)
        self.assertEqual(refused.status_code, 400, refused.text)
        self.assertIn("could not reach phone number", refused.text)
        self.assertEqual(len(self.twilio.to(to)), 1)
        self.assertNotIn(to, self.server.log)

    def test_what_twilio_tells_before_it_has_answered_counts(self) -> None:
        to, told = fresh_phone(), []
        self.twilio.before_answering = lambda sid, form: told.append(
            self.callback((sid, form), "undelivered", ErrorCode="30005")
        )
        self.sent(to)
        until("the callback to be answered", lambda: told or None)
        self.assertEqual(told, [200])
        self.assertEqual(self.ask(to).status_code, 400)

    def test_a_callback_of_a_message_that_nobody_knows_is_not_asked_for_again(self) -> None:
        url = f"{PUBLIC_URL}{RECEIPTS}?message=0199a7c4-5d6e-7000-8000-3f2a1b0c9d8e"
        sent = "SM0123", {"StatusCallback": url, "To": fresh_phone()}
        self.assertEqual(self.callback(sent, "delivered"), 200)

    def test_a_handset_that_is_off_is_tried_again_by_the_next_code(self) -> None:
        to = fresh_phone()
        self.assertEqual(self.callback(self.sent(to), "undelivered", ErrorCode="30003"), 200)
        self.assertEqual(self.ask(to).status_code, 200)
        until("the second SMS", lambda: len(self.twilio.to(to)) == 2 or None)

    def test_a_callback_that_twilio_did_not_sign_changes_nothing(self) -> None:
        to = fresh_phone()
        sent = self.sent(to)
        self.assertEqual(self.callback(sent, "sent"), 200)
        self.assertEqual(self.callback(sent, "undelivered", token="another", ErrorCode="30005"), 401)
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
