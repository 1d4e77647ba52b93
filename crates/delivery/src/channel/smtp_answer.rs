//! What a mail server's refusal means for a message: whether this server may take it later, whether another server may take
//! it, or whether nobody will.
//!
//! The reply's code (RFC 5321, section 4.2) says little by itself: 550 stands for a mailbox that does not exist, for a sender
//! that may not relay, and for text that looks like spam. The enhanced code (RFC 3463), where there is one, and the step at
//! which the server refused tell them apart. Only what is certainly the recipient's or the message's fault counts as permanent,
//! since that keeps the address from getting mail for a while.

use super::client::Refusal;
use super::receipt::EnhancedCode;

/// What was said last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Greeting, EHLO, STARTTLS, AUTH.
    Opening,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Recipient,
    /// DATA, and the message.
    Message,
}

/// Enhanced codes of class 5 that are the recipient's or the message's fault, as subject and detail (RFC 3463, section 3, and
/// the register of IANA). A mailbox that is full today is no bad address.
const PERMANENT: &[(u16, u16, Refusal)] = &[
    (1, 1, Refusal::Recipient),  // no such mailbox
    (1, 2, Refusal::Recipient),  // no such mail system
    (1, 3, Refusal::Recipient),  // malformed address
    (1, 4, Refusal::Recipient),  // ambiguous address
    (1, 6, Refusal::Recipient),  // the mailbox moved
    (1, 10, Refusal::Recipient), // the domain takes no mail (RFC 7505)
    (2, 0, Refusal::Message),    // something about the mailbox
    (2, 1, Refusal::Recipient),  // the mailbox is disabled
    (2, 2, Refusal::Message),    // the mailbox is full
    (2, 3, Refusal::Message),    // the message is too long for the mailbox
    (2, 4, Refusal::Message),    // a mailing list that does not expand
    (6, 0, Refusal::Message),    // something about the message's form
    (6, 1, Refusal::Message),    // a form that is not supported
    (6, 2, Refusal::Message),    // conversion needed and forbidden
    (6, 3, Refusal::Message),    // conversion needed and not supported
];

/// Codes that are permanent at a step, where no enhanced code says more. A bare 550, 551 or 553 may as well be about who
/// sends it: servers refuse to relay in these words, and must not make whole lists of recipients look dead.
const PLAIN: &[(Step, u16, Refusal)] = &[
    (Step::Recipient, 552, Refusal::Message),   // the mailbox is full
    (Step::Recipient, 556, Refusal::Recipient), // the domain takes no mail (RFC 7504)
    (Step::Message, 552, Refusal::Message),     // too large
];

/// Refused log-ins, at whichever step the server says so (RFC 4954, section 6).
const LOG_IN: &[u16] = &[530, 534, 535, 538];

/// Judges a refusal.
pub(super) fn judge(step: Step, code: u16, enhanced: Option<EnhancedCode>) -> Refusal {
    match (step, code) {
        // 421: the server closes, whatever was said last.
        (_, 421) | (Step::Opening, ..500) => return Refusal::Busy,
        // Greylisting, a full mailbox, a recipient that gets too much: others may fare better.
        (_, ..500) => return Refusal::NotNow,
        (Step::Opening, _) => return Refusal::Account,
        (_, code) if LOG_IN.contains(&code) => return Refusal::Account,
        // Another sender may fare better.
        (Step::Sender, _) => return Refusal::NotHere,
        (Step::Recipient | Step::Message, _) => {}
    }
    let known = match enhanced {
        Some(EnhancedCode { class: _, subject, detail }) => {
            PERMANENT.iter().find(|row| (row.0, row.1) == (subject, detail)).map(|row| row.2)
        }
        None => PLAIN.iter().find(|row| (row.0, row.1) == (step, code)).map(|row| row.2),
    };
    known.unwrap_or(Refusal::NotHere)
}

/// The enhanced code a reply's text begins with, if it is of the class of its code.
pub(super) fn enhanced_code(code: u16, text: &str) -> Option<EnhancedCode> {
    let enhanced = EnhancedCode::parse(text.split_whitespace().next()?)?;
    (u16::from(enhanced.class) == code / 100).then_some(enhanced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(step: Step, answer: &str) -> Refusal {
        let (code, text) = answer.split_at(3);
        let code = code.parse().unwrap();
        judge(step, code, enhanced_code(code, text))
    }

    #[test]
    fn only_what_is_the_recipients_or_the_messages_fault_is_permanent() {
        use Refusal::{Account, Busy, NotHere, NotNow};
        use Step::{Message, Opening, Recipient, Sender};
        for (step, answer, expected) in [
            // Passing, whatever it is about: greylisting, a busy server, a log-in that cannot be checked now.
            (Recipient, "450 4.7.1 greylisted, come back later", NotNow),
            (Recipient, "451 4.3.0 try again", NotNow),
            (Recipient, "452 4.2.2 mailbox full", NotNow),
            (Message, "451 4.7.1 try again", NotNow),
            (Opening, "421 4.7.0 too many connections", Busy),
            (Opening, "454 4.7.0 temporary authentication failure", Busy),
            (Message, "421 4.3.2 shutting down", Busy),
            // The log-in: nothing gets through here.
            (Opening, "535 5.7.8 authentication credentials invalid", Account),
            (Opening, "530 5.7.0 must issue a STARTTLS command first", Account),
            (Opening, "554 5.7.1 no service for your address", Account),
            (Sender, "530 5.7.0 authentication required", Account),
            (Recipient, "530 authentication required", Account),
            // The sender, the relaying, the look of it: another server may take it.
            (Sender, "550 5.1.8 sender address rejected", NotHere),
            (Sender, "553 5.7.1 sender not owned by user", NotHere),
            (Sender, "550 5.1.1 whatever it says of the sender", NotHere),
            (Recipient, "550 5.7.1 relaying denied", NotHere),
            (Recipient, "554 5.7.1 relay access denied", NotHere),
            (Recipient, "554 blocked", NotHere),
            (Recipient, "550 5.7.23 SPF validation failed", NotHere),
            (Recipient, "550 5.4.1 no route", NotHere),
            (Recipient, "503 5.5.1 bad sequence", NotHere),
            (Message, "554 5.7.1 looks like spam", NotHere),
            (Message, "550 5.7.26 unauthenticated sender", NotHere),
            (Message, "550 rejected", NotHere),
            // Without an enhanced code nobody knows: so servers refuse to relay, or a sender, too.
            (Recipient, "550 relay not permitted", NotHere),
            (Recipient, "550 Sender verify failed", NotHere),
            (Recipient, "550 no such user", NotHere),
            (Recipient, "551 user not local", NotHere),
            (Recipient, "553 sorry, that domain isn't in my list of allowed rcpthosts", NotHere),
            (Message, "554 transaction failed", NotHere),
            // The recipient, or the message itself.
            (Recipient, "550 5.1.1 user unknown", Refusal::Recipient),
            (Recipient, "556 5.1.10 null MX", Refusal::Recipient),
            (Recipient, "556 domain does not accept mail", Refusal::Recipient),
            (Recipient, "554 5.1.1 user unknown", Refusal::Recipient),
            (Recipient, "550 5.2.1 mailbox disabled", Refusal::Recipient),
            (Message, "550 5.1.1 user unknown", Refusal::Recipient),
            (Recipient, "552 5.2.2 mailbox full", Refusal::Message),
            (Recipient, "552 full", Refusal::Message),
            (Message, "552 message too large", Refusal::Message),
            (Message, "554 5.6.0 malformed message", Refusal::Message),
            // A class that contradicts its code does not count.
            (Recipient, "550 4.7.1 odd", NotHere),
            (Recipient, "550 2.1.5 odd", NotHere),
        ] {
            assert_eq!(of(step, answer), expected, "{step:?} {answer}");
        }
    }
}
