//! User tags (protocol 02, section 2b).

use serde::{Deserialize, Serialize};

use crate::text::{Label, List};
use crate::{TagId, UserId};

wire_struct! {
    /// `CreateUserTagIntent`
    CreateUserTagIntent {
        /// Label, unique in the organization.
        user_tag_name: Label,
        /// Users that get it.
        user_ids: List<UserId>,
    } optional {}
}

/// A tag to be made.
#[derive(Debug, Clone)]
pub struct CreateUserTag {
    /// Label, unique in the organization.
    pub name: String,
    /// Users that get it, each once.
    pub user_ids: Vec<UserId>,
}

impl From<CreateUserTagIntent> for CreateUserTag {
    fn from(i: CreateUserTagIntent) -> Self {
        Self { name: i.user_tag_name.into(), user_ids: i.user_ids.into_unique() }
    }
}

wire_struct! {
    /// `UpdateUserTagIntent`
    UpdateUserTagIntent {
        /// The tag.
        user_tag_id: TagId,
        /// Users that get it.
        add_user_ids: List<UserId>,
        /// Users that lose it.
        remove_user_ids: List<UserId>,
    } optional {
        /// New label, unique in the organization.
        new_user_tag_name: Label,
    }
}

/// A change of a tag; first users are added, then others removed.
#[derive(Debug, Clone)]
pub struct UpdateUserTag {
    /// The tag.
    pub id: TagId,
    /// New label; `None` leaves it.
    pub name: Option<String>,
    /// Users that get it, each once.
    pub add: Vec<UserId>,
    /// Users that lose it, each once.
    pub remove: Vec<UserId>,
}

impl From<UpdateUserTagIntent> for UpdateUserTag {
    fn from(i: UpdateUserTagIntent) -> Self {
        Self {
            id: i.user_tag_id,
            name: i.new_user_tag_name.map(Into::into),
            add: i.add_user_ids.into_unique(),
            remove: i.remove_user_ids.into_unique(),
        }
    }
}

wire_struct! {
    /// `DeleteUserTagsIntent`
    DeleteUserTagsIntent {
        /// One or more tags.
        user_tag_ids: List<TagId, 1>,
    } optional {}
}

/// Tags to delete, from their users too.
#[derive(Debug, Clone)]
pub struct DeleteUserTags {
    /// At least one, each once.
    pub ids: Vec<TagId>,
}

impl From<DeleteUserTagsIntent> for DeleteUserTags {
    fn from(i: DeleteUserTagsIntent) -> Self {
        Self { ids: i.user_tag_ids.into_unique() }
    }
}
