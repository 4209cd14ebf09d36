//! Why something could not be built or started.

use std::io;
use std::path::PathBuf;

/// A reason why nothing was run. Every message is one line and, where the host lacks something, names the
/// remedy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// QEMU is not there, or does not start.
    #[error("cannot start QEMU as `{}` ({why}): run scripts/setup, or name it with --qemu or IVT_QEMU", program.display())]
    NoQemu {
        /// What was tried.
        program: PathBuf,
        /// What came of it.
        why: String,
    },
    /// No QEMU that takes devices made of software.
    #[error(
        "no QEMU 11.1 or newer, whose vfio-user-pci this needs: run scripts/setup --with-qemu 11.1, or name one with --qemu or IVT_QEMU"
    )]
    NoDeviceProcesses,
    /// No UEFI firmware for QEMU was found.
    #[error("no UEFI firmware for QEMU (OVMF) found: run scripts/setup, or install the package ovmf")]
    NoOvmf,
    /// Cargo or rustc is not there, or does not start.
    #[error("cannot start `{program}` ({why}): run scripts/setup")]
    NoCompiler {
        /// What was tried.
        program: &'static str,
        /// What came of it.
        why: String,
    },
    /// The compiler is there, the sources of its libraries are not.
    #[error("the compiler's library sources are missing below {}: run scripts/setup", sysroot.display())]
    NoLibrarySources {
        /// The compiler's folder.
        sysroot: PathBuf,
    },
    /// The nested cargo failed.
    #[error("the kernel does not build{}", detail.as_deref().map(|text| format!(":\n{text}")).unwrap_or_default())]
    KernelBuild {
        /// What cargo said, where it was not shown already.
        detail: Option<String>,
    },
    /// A disk image could not be made.
    #[error("cannot make the image {}: {why}", path.display())]
    Image {
        /// Where it should go.
        path: PathBuf,
        /// What the boot loader's image builder says.
        why: String,
    },
    /// A file that is no table for the kernel.
    #[error("{}: no binary DMAR table, as /sys/firmware/acpi/tables/DMAR has it", path.display())]
    NoTable {
        /// Which.
        path: PathBuf,
    },
    /// QEMU ended before the machine ran.
    #[error("QEMU refuses this machine: {0}")]
    Refused(String),
    /// QEMU runs but does not answer on its control socket as it should.
    #[error("QEMU's control socket: {0}")]
    Control(String),
    /// A file or folder could not be used.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something else of the operating system failed.
    #[error("{what}: {source}")]
    System {
        /// What was being done.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

impl Error {
    /// An error about a path, for `map_err`.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// An error about a step, for `map_err`.
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}
