//! What every activity means.
