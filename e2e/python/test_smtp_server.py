"""``vestibule serve`` against a real SMTP server with TLS and authentication, which refuses, delays, greylists and hangs up."""

import base64
import email
import email.policy
import re
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path
from typing import Optional

import dkim

from support.api import Api
from support.contacts import fresh_email
from support.mail_server import PASSWORD, USERNAME, MailServer, Received
from support.serve import ServedServer
from support.server import until

FROM = "no-reply@mail.example"


def section(server: MailServer, more: str = "") -> str:
    """``[email]`` of a configuration that reaches the mail server."""
    tls = "tls" if server.implicit_tls else "starttls"
    return (
        f'[email]\nfrom = "{FROM}"\nhost = "localhost"\nport = {server.port}\ntls = "{tls}"\nusername = "{USERNAME}"\n'
        f'ca_file = "{server.certificate_file}"\nhello_name = "login.mail.example"\ntimeout_seconds = 2\n{more}'
    )


def text_of(message: Received) -> str:
    """The plain text of a message."""
    parsed = email.message_from_bytes(message.content, policy=email.policy.default)
    return parsed.get_body(("plain",)).get_content()


def message_id(message: Received) -> str:
    return email.message_from_bytes(message.content)["Message-ID"]


class Mail(unittest.TestCase):
    """One mail server and one server of ours for the tests of a class."""

    implicit_tls = False
    more = ""

    @classmethod
    def setUpClass(cls) -> None:
        cls.mail = MailServer(implicit_tls=cls.implicit_tls)
        cls.addClassCleanup(cls.mail.stop)
        cls.server = ServedServer(section(cls.mail, cls.more), {"VESTIBULE_EMAIL_PASSWORD": PASSWORD})
        cls.addClassCleanup(cls.server.stop)
        cls.api = Api(cls.server)

    def ask(self, to: str, app_name: str = "Shop") -> str:
        """Has a code sent; the id of the attempt."""
        parameters = {"otpType": "OTP_TYPE_EMAIL", "contact": to, "appName": app_name}
        return self.api.result(self.api.backend, "INIT_OTP_V3", parameters)["otpId"]

    def events(self, to: str, wanted: str) -> list[dict]:
        """The events of a kind that the server tells of mail to an address, once there are any."""

        def told() -> Optional[list[dict]]:
            body = {"organizationId": self.server.organization_id, "email": to}
            response = self.api.send(self.api.backend, "/public/v1/query/list_email_events", body)
            self.assertEqual(response.status_code, 200, response.text)
            return [event for event in response.json()["emailEvents"] if event["eventType"] == wanted] or None

        return until(f"{wanted} of mail to {to}", told)

    def arrived(self, to: str, count: int = 1) -> list[Received]:
        """The messages to an address, once there are so many."""
        return until(
            f"{count} messages to {to}",
            lambda: found if len(found := self.mail.received(to)) >= count else None,
        )

    def assert_no_bounce(self, to: str) -> None:
        body = {"organizationId": self.server.organization_id, "email": to, "eventType": "Bounce"}
        response = self.api.send(self.api.backend, "/public/v1/query/list_email_events", body)
        self.assertEqual(response.json()["emailEvents"], [])


class SmtpServer(Mail):
    """Over STARTTLS and a log-in."""

    def asked_alone(self, command: str, does: str, timeout_seconds: int = 2) -> tuple[MailServer, str]:
        """Has a code sent over a mail server that nobody else uses and that ``does`` this once; it, and the recipient."""
        mail = MailServer()
        self.addCleanup(mail.stop)
        text = section(mail).replace("timeout_seconds = 2", f"timeout_seconds = {timeout_seconds}")
        server = ServedServer(text, {"VESTIBULE_EMAIL_PASSWORD": PASSWORD})
        self.addCleanup(server.stop)
        mail.script(command, does)
        to, api = fresh_email(), Api(server)
        api.result(api.backend, "INIT_OTP_V3", {"otpType": "OTP_TYPE_EMAIL", "contact": to, "appName": "Shop"})
        return mail, to

    def test_a_code_arrives_over_tls_after_the_log_in(self) -> None:
        to = fresh_email()
        self.ask(to)
        [message] = self.arrived(to)
        self.assertEqual((message.mail_from, message.recipients), (FROM, (to,)))
        self.assertEqual((message.over_tls, message.login), (True, USERNAME))
        self.assertRegex(text_of(message), r"\b[0-9A-Z]{6,9}\b")
        [sent] = self.events(to, "Send")
        self.assertEqual(sent["messageId"], message_id(message))

    def test_messages_share_connections(self) -> None:
        first = fresh_email()
        self.ask(first)
        self.arrived(first)
        self.events(first, "Send")
        before = self.mail.connections
        for _ in range(3):
            to = fresh_email()
            self.ask(to)
            self.arrived(to)
            self.events(to, "Send")
        self.assertEqual(self.mail.connections, before)

    def test_a_greylisted_code_arrives_with_the_next_try(self) -> None:
        to = fresh_email()
        self.mail.script("RCPT", "451 4.7.1 greylisted, try again")
        self.ask(to)
        [message] = self.arrived(to)
        [late] = self.events(to, "DeliveryDelay")
        self.assertEqual(late["messageId"], message_id(message))
        self.assertRegex(late["details"]["diagnosticCode"], r"^smtp; 451")
        self.assert_no_bounce(to)

    def test_a_recipient_who_does_not_exist_is_given_up_at_once(self) -> None:
        to = fresh_email()
        self.mail.script("RCPT", f"550 5.1.1 <{to}> user unknown")
        self.ask(to)
        [bounce] = self.events(to, "Bounce")
        self.assertEqual(bounce["details"]["bounceType"], "Permanent")
        self.assertRegex(bounce["details"]["diagnosticCode"], r"^smtp; 550")
        self.assertEqual(self.mail.received(to), [])
        self.assertNotIn(to, self.server.log)

    def test_a_server_that_may_not_relay_is_not_held_against_the_recipient(self) -> None:
        to = fresh_email()
        self.mail.script("RCPT", "554 5.7.1 relay access denied")
        self.ask(to)
        until("the refusal", self.mail.has_met("RCPT", "554 5.7.1 relay access denied"))
        # Somebody sets the mail server up right in the meantime, and the code still lives.
        self.arrived(to)
        self.assert_no_bounce(to)

    def test_a_slow_server_delays_no_request_and_gets_one_message(self) -> None:
        # The answer comes while the mail server still thinks.
        mail, to = self.asked_alone("DATA", "hold", timeout_seconds=20)
        until("the message to be held", mail.has_met("DATA", "hold"))
        self.assertEqual(mail.received(to), [])
        mail.release()
        until("the message", lambda: mail.received(to) or None)
        self.assertEqual(len(mail.received(to)), 1)
        self.assertEqual(mail.met, [("DATA", "hold")], "there was no second try")

    def test_a_server_that_stays_silent_is_left_and_asked_again(self) -> None:
        mail, to = self.asked_alone("RCPT", "hold")
        until("the message", lambda: mail.received(to) or None)
        self.assertEqual(len(mail.received(to)), 1)
        self.assertEqual(mail.met, [("RCPT", "hold")])
        self.assertGreaterEqual(mail.connections, 2, "a conversation that was cut short is not continued")

    def test_a_connection_dropped_before_the_greeting_is_made_again(self) -> None:
        mail, to = self.asked_alone("CONNECT", "drop")
        until("the message", lambda: mail.received(to) or None)
        self.assertEqual((len(mail.received(to)), mail.met), (1, [("CONNECT", "drop")]))

    def test_a_connection_dropped_within_a_message_costs_a_try_and_no_message(self) -> None:
        for command in ("MAIL", "RCPT", "DATA"):
            with self.subTest(command):
                to = fresh_email()
                self.mail.script(command, "drop")
                self.ask(to)
                [message] = self.arrived(to)
                self.assertIn((command, "drop"), self.mail.met)
                [late] = self.events(to, "DeliveryDelay")
                self.assertEqual(late["messageId"], message_id(message), "under the same id")
                self.events(to, "Send")
                self.assert_no_bounce(to)

    def test_a_server_that_closes_for_a_restart_is_asked_again(self) -> None:
        to = fresh_email()
        self.mail.script("MAIL", "421 4.3.2 shutting down")
        self.ask(to)
        self.arrived(to)
        self.assert_no_bounce(to)

    def test_many_codes_at_once_arrive_once_each(self) -> None:
        contacts = [fresh_email() for _ in range(20)]
        threads = [threading.Thread(target=self.ask, args=(to,)) for to in contacts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for to in contacts:
            self.arrived(to)
            self.events(to, "Send")
        self.assertEqual([len(self.mail.received(to)) for to in contacts], [1] * 20)


class LogIn(unittest.TestCase):
    def test_a_wrong_password_is_not_held_against_the_recipient(self) -> None:
        mail = MailServer()
        self.addCleanup(mail.stop)
        mail.password = "changed by the mail server's administrator"
        server = ServedServer(section(mail), {"VESTIBULE_EMAIL_PASSWORD": PASSWORD})
        self.addCleanup(server.stop)
        api = Api(server)
        to = fresh_email()
        api.result(
            api.backend, "INIT_OTP_V3", {"otpType": "OTP_TYPE_EMAIL", "contact": to, "appName": "Shop"}
        )
        until("a refused log-in", lambda: mail.logins or None)
        self.assertFalse(mail.logins[0])
        # The administrator puts it right while the code lives.
        mail.password = PASSWORD
        until("the message", lambda: mail.received(to) or None)
        body = {"organizationId": server.organization_id, "email": to, "eventType": "Bounce"}
        told = api.send(api.backend, "/public/v1/query/list_email_events", body)
        self.assertEqual(told.json()["emailEvents"], [])
        self.assertNotIn(PASSWORD, server.log)

    def test_a_certificate_that_is_not_trusted_learns_neither_password_nor_code(self) -> None:
        mail = MailServer()
        self.addCleanup(mail.stop)
        other = MailServer()
        self.addCleanup(other.stop)
        text = section(mail).replace(str(mail.certificate_file), str(other.certificate_file))
        server = ServedServer(text, {"VESTIBULE_EMAIL_PASSWORD": PASSWORD})
        self.addCleanup(server.stop)
        api = Api(server)
        to = fresh_email()
        api.result(
            api.backend, "INIT_OTP_V3", {"otpType": "OTP_TYPE_EMAIL", "contact": to, "appName": "Shop"}
        )
        until("two connections", lambda: mail.connections >= 2 or None)
        self.assertEqual((mail.logins, mail.received(to)), ([], []))


class ImplicitTls(Mail):
    """TLS from the first byte."""

    implicit_tls = True

    def test_a_code_arrives(self) -> None:
        to = fresh_email()
        self.ask(to)
        [message] = self.arrived(to)
        self.assertEqual((message.over_tls, message.login), (True, USERNAME))


class Signatures(unittest.TestCase):
    """DKIM, verified by dkimpy, which had no part in making it."""

    @classmethod
    def setUpClass(cls) -> None:
        directory = tempfile.TemporaryDirectory(prefix="vestibule-dkim-")
        cls.addClassCleanup(directory.cleanup)
        rsa, ed25519 = Path(directory.name) / "rsa.pem", Path(directory.name) / "ed25519.pem"
        cls.openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(rsa))
        cls.openssl("genpkey", "-algorithm", "ed25519", "-out", str(ed25519))
        for key in (rsa, ed25519):
            key.chmod(0o600)
        rsa_public = cls.openssl("pkey", "-in", str(rsa), "-pubout", "-outform", "DER")
        # The last 32 bytes are the key itself (RFC 8410).
        ed25519_public = cls.openssl("pkey", "-in", str(ed25519), "-pubout", "-outform", "DER")[-32:]
        cls.dns = {
            b"rsa2026._domainkey.mail.example.": b"v=DKIM1; k=rsa; p=" + base64.b64encode(rsa_public),
            b"ed2026._domainkey.mail.example.": b"v=DKIM1; k=ed25519; p=" + base64.b64encode(ed25519_public),
        }
        cls.mail = MailServer()
        cls.addClassCleanup(cls.mail.stop)
        keys = (
            f'dkim = [{{ domain = "mail.example", selector = "rsa2026", key_file = "{rsa}" }}, '
            f'{{ domain = "mail.example", selector = "ed2026", key_file = "{ed25519}" }}]\n'
            'allowed_sender_domains = ["shop.mail.example", "elsewhere.example"]\n'
        )
        cls.server = ServedServer(section(cls.mail, keys), {"VESTIBULE_EMAIL_PASSWORD": PASSWORD})
        cls.addClassCleanup(cls.server.stop)
        cls.api = Api(cls.server)

    @staticmethod
    def openssl(*arguments: str) -> bytes:
        return subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60).stdout

    def sent(self, **more: str) -> bytes:
        to = fresh_email()
        parameters = {"otpType": "OTP_TYPE_EMAIL", "contact": to, "appName": "Żubr & Söhne ☕", **more}
        self.api.result(self.api.backend, "INIT_OTP_V3", parameters)
        until("the message", lambda: self.mail.received(to) or None)
        return self.mail.received(to)[0].content

    def verdicts(self, message: bytes) -> list[bool]:
        """Of each signature, the topmost first."""
        count = message.count(b"DKIM-Signature:")

        def record(name: bytes, timeout: int = 5) -> Optional[bytes]:
            return self.dns.get(name)

        def verifies(index: int) -> bool:
            try:
                return dkim.DKIM(message).verify(index, dnsfunc=record)
            except dkim.ValidationError:
                # The body is not the one that was signed.
                return False

        return [verifies(index) for index in range(count)]

    def test_both_signatures_of_a_message_verify(self) -> None:
        message = self.sent()
        self.assertEqual(self.verdicts(message), [True, True])
        fields = re.findall(rb"DKIM-Signature:.*?\r\n(?![ \t])", message, re.DOTALL)
        self.assertEqual([b"a=rsa-sha256" in fields[0], b"a=ed25519-sha256" in fields[1]], [True, True])
        for field in fields:
            self.assertIn(b"d=mail.example;", field)

    def test_a_change_on_the_way_is_noticed(self) -> None:
        message = self.sent()
        changes = [
            (b"Subject: ", b"Subject: Re: "),
            (b"From: ", b"From: Bank "),
            (b"\r\n\r\n", b"\r\n\r\nPay here.\r\n"),
            (b"MIME-Version", b"Reply-To: evil@evil.example\r\nMIME-Version"),
            (b"MIME-Version", b"Subject: other\r\nMIME-Version"),
        ]
        for before, after in changes:
            changed = message.replace(before, after, 1)
            self.assertNotEqual(changed, message)
            self.assertEqual(self.verdicts(changed), [False, False], after)

    def test_a_subdomain_is_signed_for_by_the_domain_above_and_others_are_not_signed(self) -> None:
        below = self.sent(sendFromEmailAddress="codes@shop.mail.example")
        self.assertIn(b"<codes@shop.mail.example>", below)
        self.assertEqual(self.verdicts(below), [True, True])
        other = self.sent(sendFromEmailAddress="codes@elsewhere.example")
        self.assertIn(b"<codes@elsewhere.example>", other)
        self.assertEqual(self.verdicts(other), [])


if __name__ == "__main__":
    unittest.main()
