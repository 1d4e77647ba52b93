// The two kinds of contact a code can go to.

export const KINDS = {
  email: { otpType: "OTP_TYPE_EMAIL", filterType: "EMAIL", signup: "userEmail", signed: "email" },
  sms: { otpType: "OTP_TYPE_SMS", filterType: "PHONE_NUMBER", signup: "userPhoneNumber", signed: "phoneNumber" },
};

/** What is sent for a typed contact: no outer white space, and a phone number without its separators. */
export const tidy = (kind, typed) => (kind === "sms" ? typed.replace(/[\s().-]/g, "") : typed.trim());

/** What is wrong with a contact before it is sent, or nothing. The server has the last word. */
export function complaint(kind, contact) {
  if (contact === "") return kind === "sms" ? "Type a phone number." : "Type an e-mail address.";
  if (kind === "sms" && !/^\+[1-9]\d{6,14}$/.test(contact)) {
    return "A phone number starts with + and the country code, like +1 555 555 0100.";
  }
  if (kind === "email" && !/^[^\s@]+@[^\s@]+$/.test(contact)) return "An e-mail address has one @, like you@example.com.";
  return undefined;
}
