//! What the root quorum decides about its organization: its name, its quorum, its end (protocol 02, section 2b).

use serde::{Deserialize, Serialize};

use crate::schema;
use crate::text::{Label, List};
use crate::{Refusal, UserId};

wire_struct! {
    /// `DeleteSubOrganizationIntent`
    DeleteSubOrganizationIntent {} optional {
        /// Matters only where wallets exist, which is not here.
        delete_without_export: bool,
    }
}

wire_struct! {
    /// `UpdateOrganizationNameIntent`
    UpdateOrganizationNameIntent {
        /// Label.
        organization_name: Label,
    } optional {}
}

/// A new name for the organization.
#[derive(Debug, Clone)]
pub struct UpdateOrganizationName {
    /// Label.
    pub name: String,
}

impl From<UpdateOrganizationNameIntent> for UpdateOrganizationName {
    fn from(i: UpdateOrganizationNameIntent) -> Self {
        Self { name: i.organization_name.into() }
    }
}

wire_struct! {
    /// `UpdateRootQuorumIntent`
    UpdateRootQuorumIntent {
        /// 1 to the number of users.
        #[schemars(with = "schema::Threshold")]
        threshold: u32,
        /// The root users.
        #[schemars(length(min = 1))]
        user_ids: List<UserId>,
    } optional {}
}

/// A new root quorum; the engine checks that its users exist.
#[derive(Debug, Clone)]
pub struct UpdateRootQuorum {
    /// 1 to the number of users.
    pub threshold: u32,
    /// At least one, each once.
    pub user_ids: Vec<UserId>,
}

impl TryFrom<UpdateRootQuorumIntent> for UpdateRootQuorum {
    type Error = Refusal;

    fn try_from(i: UpdateRootQuorumIntent) -> Result<Self, Refusal> {
        let given = i.user_ids.clone().into_vec().len();
        let user_ids = i.user_ids.into_unique();
        if user_ids.is_empty() {
            return Err(Refusal::MissingQuorumUsers);
        }
        if user_ids.len() != given {
            return Err(Refusal::InvalidField("userIds names a user twice"));
        }
        if i.threshold == 0 || i.threshold as usize > user_ids.len() {
            return Err(Refusal::InvalidQuorumThreshold);
        }
        Ok(Self { threshold: i.threshold, user_ids })
    }
}
