//! Lays the kernel's segments out: at their final address, on pages of their own.

use std::env;

/// As `memory::layout::KERNEL_IMAGE`.
const KERNEL_IMAGE: u64 = 0xffff_ffff_8000_0000;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        // The loader maps the file's pages where they lie. Without this, code and data meet in one page of
        // the file, which would then be executable at one address and writable at another.
        println!("cargo::rustc-link-arg-bins=-zseparate-loadable-segments");
        println!("cargo::rustc-link-arg-bins=--image-base={KERNEL_IMAGE:#x}");
    }
}
