//! The HTTP surfaces of Vestibule. The only crate that knows status codes.
