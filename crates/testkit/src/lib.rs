//! A whole Vestibule server inside a test.
