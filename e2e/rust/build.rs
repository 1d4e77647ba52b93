//! Takes the Rust snippet out of docs/sessions.md, for `tests/sessions_page.rs` to run as it stands there.

use std::path::Path;
use std::{env, fs};

const PAGE: &str = "../../docs/sessions.md";

fn main() {
    println!("cargo:rerun-if-changed={PAGE}");
    let page = fs::read_to_string(PAGE).expect("docs/sessions.md is readable");
    let (_, rest) = page.split_once("\n```rust\n").expect("docs/sessions.md has a Rust block");
    let (snippet, _) = rest.split_once("\n```\n").expect("the Rust block of docs/sessions.md ends");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    fs::write(Path::new(&out).join("sessions_page.rs"), snippet).expect("OUT_DIR is writable");
}
