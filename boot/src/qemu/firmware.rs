//! The UEFI firmware for QEMU.

use std::path::{Path, PathBuf};

use crate::Error;

/// Two flash images that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UefiFirmware {
    /// The program, never written.
    pub code: PathBuf,
    /// The variables as shipped; each machine gets a copy.
    pub variables: PathBuf,
}

/// Where distributions keep OVMF: folder, program, variables.
const PLACES: [(&str, &str, &str); 6] = [
    ("/usr/share/OVMF", "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF", "OVMF_CODE.fd", "OVMF_VARS.fd"),
    ("/usr/share/edk2/x64", "OVMF_CODE.4m.fd", "OVMF_VARS.4m.fd"),
    ("/usr/share/edk2/ovmf", "OVMF_CODE.fd", "OVMF_VARS.fd"),
    ("/usr/share/edk2-ovmf/x64", "OVMF_CODE.fd", "OVMF_VARS.fd"),
    ("/usr/share/qemu", "ovmf-x86_64-code.bin", "ovmf-x86_64-vars.bin"),
];

/// Finds OVMF.
///
/// # Errors
/// If it is in none of the usual places.
pub fn find_uefi() -> Result<UefiFirmware, Error> {
    PLACES
        .iter()
        .map(|(folder, code, variables)| UefiFirmware {
            code: Path::new(folder).join(code),
            variables: Path::new(folder).join(variables),
        })
        .find(|firmware| firmware.code.is_file() && firmware.variables.is_file())
        .ok_or(Error::NoOvmf)
}
