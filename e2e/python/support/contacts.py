"""Sends are limited per contact, so every test uses contacts nobody used before."""

import random
import uuid
from dataclasses import dataclass
from typing import Callable


def fresh_email() -> str:
    """An address of a domain reserved for examples."""
    return f"user-{uuid.uuid4()}@example.com"


def fresh_phone() -> str:
    """A well-formed number in E.164."""
    return f"+1415{random.randrange(200, 1000)}{random.randrange(10_000):04d}"


@dataclass(frozen=True)
class Channel:
    """One way a code travels."""

    name: str
    otp_type: str
    filter_type: str
    user_member: str
    fresh: Callable[[], str]


CHANNELS = [
    Channel("email", "OTP_TYPE_EMAIL", "EMAIL", "userEmail", fresh_email),
    Channel("SMS", "OTP_TYPE_SMS", "PHONE_NUMBER", "userPhoneNumber", fresh_phone),
]
