//! Where the sources and the build results lie.

use std::path::{Path, PathBuf};

/// A file that cargo keeps in every target folder.
const MARK: &str = ".rustc_info.json";

/// The workspace that this program was built from.
pub(crate) fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}

/// The target folder that this program was built into, however cargo was told to use it; `target` in the
/// workspace if the program has been moved elsewhere.
///
/// Cargo keeps what it knows of the compiler there, which also finds it from a test program in `debug/deps`.
pub fn target_folder() -> PathBuf {
    std::env::current_exe()
        .ok()
        .and_then(|program| {
            program.ancestors().find(|folder| folder.join(MARK).is_file()).map(Path::to_path_buf)
        })
        .unwrap_or_else(|| root().join("target"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_holds_the_workspace_and_the_target_folder_holds_this_program() {
        assert!(root().join("rust-toolchain.toml").is_file());
        assert!(std::env::current_exe().unwrap().starts_with(target_folder()));
        assert!(target_folder().join(MARK).is_file());
    }
}
