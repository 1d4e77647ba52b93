//! Receipts of providers, from the surface that takes them to delivery, which reads them.

use async_trait::async_trait;
use vestibule_delivery::channel::receipt::ReceiptRequest;
use vestibule_delivery::receipts::{ReceiptKeeper, ReceiptNotKept};
use vestibule_http::{IncomingReceipt, ReceiptDoor};
use vestibule_wire::Refusal;

/// Takes receipts for delivery.
pub struct Receipts(pub ReceiptKeeper);

#[async_trait]
impl ReceiptDoor for Receipts {
    async fn take(&self, receipt: IncomingReceipt<'_>) -> Result<(), Refusal> {
        let IncomingReceipt { provider, url, headers, body, client } = receipt;
        let kept = self.0.keep(provider, &ReceiptRequest { url, headers, body, client }).await;
        kept.map_err(|not| match not {
            ReceiptNotKept::Refused => Refusal::ReceiptRefused,
            ReceiptNotKept::Malformed { member, problem } => {
                Refusal::InvalidMember { path: member.to_owned(), problem }
            }
            ReceiptNotKept::Later => Refusal::Unavailable,
        })
    }
}
