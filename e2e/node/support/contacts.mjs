// Sends are limited per contact, so every test uses contacts nobody used before.
import { randomInt, randomUUID } from "node:crypto";

/** An address of a domain reserved for examples. */
export const freshEmail = (label = "user") => `${label}-${randomUUID()}@example.com`;

/** A well-formed number in E.164. */
export const freshPhone = () => `+1415${randomInt(200, 1000)}${String(randomInt(0, 10_000)).padStart(4, "0")}`;

/** Both channels, for tests that hold on each. */
export const CHANNELS = [
  { name: "email", otpType: "OTP_TYPE_EMAIL", filterType: "EMAIL", fresh: freshEmail, user: (contact) => ({ userEmail: contact }) },
  { name: "SMS", otpType: "OTP_TYPE_SMS", filterType: "PHONE_NUMBER", fresh: freshPhone, user: (contact) => ({ userPhoneNumber: contact }) },
];
