//! What is counted, and who was limited.

use vestibule_engine::limits::Counter;
use vestibule_engine::model::{
    AbuseRecord, ContactLimits, IdentifierLimits, Slot, SuppressedFor, Suppression,
};
use vestibule_wire::{OrganizationId, OtpId};

use super::Columns;
use crate::value::RowError;

/// Limits of a contact. A slot whose attempt is gone is free, whatever its time says.
pub fn contact_limits(c: &mut Columns<'_>) -> Result<ContactLimits, RowError> {
    fn slot(c: &mut Columns<'_>) -> Result<Slot, RowError> {
        let (otp, until) = (c.opt_uuid()?.map(OtpId), c.int()?);
        Ok(if otp.is_some() { Slot { otp, until } } else { Slot::default() })
    }
    Ok(ContactLimits {
        sends: [c.int()?, c.int()?, c.int()?],
        reserve: [c.int()?, c.int()?],
        slots: [slot(c)?, slot(c)?, slot(c)?],
        failures: c.int()?,
        failed_at: c.int()?,
        suppression: suppression(c)?,
        proven_at: c.int()?,
    })
}

/// A shared counter with its name.
pub fn counter(c: &mut Columns<'_>) -> Result<(String, Counter), RowError> {
    let name = c.text()?;
    let counter = Counter {
        since: c.int()?,
        amount: c.int()?,
        verified: c.int()?,
        previous_amount: c.int()?,
        previous_verified: c.int()?,
    };
    Ok((name, counter))
}

/// Who was limited.
pub fn abuse_record(c: &mut Columns<'_>) -> Result<AbuseRecord, RowError> {
    Ok(AbuseRecord {
        tenant_id: OrganizationId(c.uuid()?),
        hour: c.int()?,
        limit: c.text()?,
        action: c.text()?,
        subject: c.text()?,
        hits: c.int()?,
        first_at: c.int()?,
        last_at: c.int()?,
    })
}

fn suppression(c: &mut Columns<'_>) -> Result<Option<Suppression>, RowError> {
    let until = c.int()?;
    match c.int()? {
        0 => Ok(None),
        code => {
            let reason = SuppressedFor::from_code(code).ok_or_else(|| c.problem("unknown code"))?;
            Ok(Some(Suppression { reason, until }))
        }
    }
}

/// Limits of an identifier.
pub fn identifier_limits(c: &mut Columns<'_>) -> Result<IdentifierLimits, RowError> {
    Ok(IdentifierLimits { sends: [c.int()?, c.int()?, c.int()?] })
}
