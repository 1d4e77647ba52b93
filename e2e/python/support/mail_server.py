"""A real SMTP server (aiosmtpd) with TLS and authentication, which takes mail or misbehaves as a test tells it."""

import asyncio
import datetime
import ipaddress
import logging
import ssl
import tempfile
import threading
import warnings
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# It tells of clients that hang up, which some tests want, and warns of a log-in without STARTTLS, not knowing of TLS from the
# first byte.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)

USERNAME = "vestibule"
PASSWORD = "correct horse battery staple"


def certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate for localhost and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=7))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = directory / "mail-server.pem", directory / "mail-server.key"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate_file, key_file


@dataclass(frozen=True)
class Received:
    """A message that the server answered with 250."""

    mail_from: str
    recipients: tuple[str, ...]
    content: bytes
    over_tls: bool
    login: Optional[str]


class _Handler:
    """Answers of aiosmtpd's hooks: the next scripted one of each step, else that all is well."""

    def __init__(self, server: "MailServer") -> None:
        self.server = server

    async def handle_MAIL(self, smtp: SMTP, session: Session, envelope: Envelope, address: str, options: list) -> str:
        answer = await self.server.step("MAIL", smtp)
        if answer is None:
            envelope.mail_from = address
        return answer or "250 2.1.0 ok"

    async def handle_RCPT(self, smtp: SMTP, session: Session, envelope: Envelope, address: str, options: list) -> str:
        answer = await self.server.step("RCPT", smtp)
        if answer is None:
            envelope.rcpt_tos.append(address)
        return answer or "250 2.1.5 ok"

    async def handle_DATA(self, smtp: SMTP, session: Session, envelope: Envelope) -> str:
        answer = await self.server.step("DATA", smtp)
        if answer is None:
            login = session.auth_data.decode() if session.auth_data else None
            self.server.keep(
                Received(
                    envelope.mail_from,
                    tuple(envelope.rcpt_tos),
                    envelope.original_content,
                    smtp.transport.get_extra_info("sslcontext") is not None,
                    login,
                )
            )
        return answer or "250 2.0.0 queued"


class _Smtp(SMTP):
    """May hang up before its greeting."""

    def __init__(self, server: "MailServer", **options: object) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            super().__init__(_Handler(server), **options)
        self._mail_server = server

    async def _handle_client(self) -> None:
        self._mail_server.connections += 1
        if self._mail_server.meets("CONNECT") == "drop":
            self.transport.abort()
            return
        await super()._handle_client()


class MailServer:
    """Runs in a thread of its own. ``script`` says what the next commands of a kind meet: an answer such as
    ``451 4.7.1 later``, ``drop``, which cuts the connection, or ``hold``, which answers nothing until ``release``."""

    def __init__(self, implicit_tls: bool = False) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="vestibule-mail-")
        self.certificate_file, key_file = certificate(Path(self._directory.name))
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(self.certificate_file, key_file)
        self.implicit_tls = implicit_tls
        self._lock = threading.Lock()
        self._script: dict[str, deque[str]] = {}
        self._received: list[Received] = []
        #: Commands that met something, in their order.
        self.met: list[tuple[str, str]] = []
        self.connections = 0
        self.logins: list[bool] = []
        self.password = PASSWORD
        self._released = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._on_loop(self._listen())
        self.port = self._server.sockets[0].getsockname()[1]

    def _on_loop(self, work: object) -> object:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _listen(self) -> asyncio.Server:
        tls = None if self.implicit_tls else self._tls
        wrapped = self._tls if self.implicit_tls else None

        def connection() -> SMTP:
            return _Smtp(
                self,
                hostname="mail.test",
                tls_context=tls,
                require_starttls=tls is not None,
                auth_required=True,
                auth_require_tls=not self.implicit_tls,
                authenticator=self._authenticate,
                loop=self._loop,
            )

        return await self._loop.create_server(connection, "127.0.0.1", 0, ssl=wrapped)

    def _authenticate(self, smtp: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        good = isinstance(data, LoginPassword) and data == LoginPassword(USERNAME.encode(), self.password.encode())
        self.logins.append(good)
        # ``handled``: the reply, 235 or 535, is left to aiosmtpd.
        return AuthResult(success=good, handled=False, auth_data=USERNAME.encode() if good else None)

    def meets(self, command: str) -> Optional[str]:
        """What the next command of a kind meets, taken off the script."""
        with self._lock:
            waiting = self._script.get(command)
            what = waiting.popleft() if waiting else None
            if what is not None:
                self.met.append((command, what))
            return what

    async def step(self, command: str, smtp: SMTP) -> Optional[str]:
        """Does what the script says; an answer to give, or none where all is well."""
        what = self.meets(command)
        if what == "drop":
            smtp.transport.abort()
            return "421 4.3.2 gone"
        if what == "hold":
            await self._released.wait()
            return None
        return what

    def keep(self, received: Received) -> None:
        with self._lock:
            self._received.append(received)

    def script(self, command: str, *answers: str) -> None:
        """What the next commands of a kind meet, in turn."""
        with self._lock:
            self._script.setdefault(command, deque()).extend(answers)

    def release(self) -> None:
        """Lets go of everything that is held, now and later."""
        self._loop.call_soon_threadsafe(self._released.set)

    def received(self, to: str) -> list[Received]:
        """The messages to an address."""
        with self._lock:
            return [message for message in self._received if to in message.recipients]

    def has_met(self, command: str, what: str) -> Callable[[], Optional[bool]]:
        """A probe for ``until``: whether such a command met this."""
        return lambda: (command, what) in self.met or None

    def stop(self) -> None:
        async def end() -> None:
            self._released.set()
            self._server.close()
            # What still runs are conversations with a client that keeps its connection.
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self._on_loop(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()
        self._directory.cleanup()
