//! Lays the kernel's segments out on pages of their own.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        // The loader maps the file's pages where they lie. Without this, code and data meet in one page of
        // the file, which would then be executable at one address and writable at another.
        println!("cargo::rustc-link-arg-bins=-zseparate-loadable-segments");
    }
}
