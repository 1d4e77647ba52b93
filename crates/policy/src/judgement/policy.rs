//! A policy, ready to be asked.

use vestibule_wire::{Effect, PolicyId};

use crate::language::{Condition, Consensus, PolicyError, TimeRule};

/// The three expressions are compiled; an absent one always holds, but for an absent consensus, which asks for the
/// approval of whoever proposed the activity.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Id.
    pub id: PolicyId,
    /// Label.
    pub name: String,
    /// What it does.
    pub effect: Effect,
    /// On which activities.
    pub condition: Option<Condition>,
    /// With whose approval.
    pub consensus: Option<Consensus>,
    /// When.
    pub time: Option<TimeRule>,
}

/// A policy that is refused, and which of its expressions is to blame. Reads as the refusal of protocol 00, section 6.2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    /// The condition.
    #[error("invalid policy condition: {0}")]
    Condition(PolicyError),
    /// The consensus.
    #[error("invalid policy consensus: {0}")]
    Consensus(PolicyError),
    /// The time rule.
    #[error("invalid policy time: {0}")]
    Time(PolicyError),
}

impl Policy {
    /// Compiles the expressions of a policy. A blank one is absent.
    pub fn compile(
        id: PolicyId,
        name: impl Into<String>,
        effect: Effect,
        condition: &str,
        consensus: &str,
        time: Option<&str>,
    ) -> Result<Self, InvalidPolicy> {
        let given = |text: &str| !text.trim().is_empty();
        let condition = given(condition).then(|| Condition::compile(condition)).transpose();
        let consensus = given(consensus).then(|| Consensus::compile(consensus)).transpose();
        let time = time.filter(|text| given(text)).map(TimeRule::compile).transpose();
        Ok(Self {
            id,
            name: name.into(),
            effect,
            condition: condition.map_err(InvalidPolicy::Condition)?,
            consensus: consensus.map_err(InvalidPolicy::Consensus)?,
            time: time.map_err(InvalidPolicy::Time)?,
        })
    }
}
