//! Who may do what, as a pure function.
