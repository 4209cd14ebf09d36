//! What all scenarios of a run share: the emulator, the system under attack, the seed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::Subject;
use super::arena::Setup;
use crate::Error;
use crate::qemu::Qemu;
use crate::workspace::target_folder;

/// The emulator that the scripts unpack beside, below the target folder.
const UNPACKED: &str = "qemu-11.1/qemu-system-x86_64";
/// The oldest release that speaks the protocol as the library does.
const OLDEST: (u32, u32) = (11, 1);

/// What the scenarios of a run share.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The emulator.
    pub qemu: Qemu,
    /// The disk image that is started; none where QEMU's arguments name a system.
    pub image: Option<PathBuf>,
    /// What is on it.
    pub subject: Subject,
    /// How long a system that is not ours is watched.
    pub watch: Duration,
    /// Further arguments for QEMU.
    pub arguments: Vec<OsString>,
    /// What random choices are made from.
    pub seed: u64,
    /// How many random steps are made.
    pub steps: u64,
    /// Set from outside to end the run.
    pub stop: Arc<AtomicBool>,
}

impl Stage {
    /// A machine that is to be set up.
    ///
    /// # Errors
    /// If there is no room for its sockets.
    pub(super) fn setup(&self) -> Result<Setup<'_>, Error> {
        Setup::new(self)
    }
}

/// Finds a QEMU that can be given devices made of software: the one that was named, the usual one, or the one that was
/// unpacked beside.
///
/// # Errors
/// If none of them is new enough, with the remedy.
pub fn find_qemu(given: Option<&Path>) -> Result<Qemu, Error> {
    let unpacked = target_folder().join(UNPACKED);
    let named = Qemu::find(given);
    let named_is_asked_for = given.is_some();
    let found = match named {
        Ok(qemu) if is_new_enough(&qemu) => Some(qemu),
        Err(error) if named_is_asked_for => return Err(error),
        Ok(_) if named_is_asked_for => None,
        Ok(_) | Err(_) => Qemu::find(Some(&unpacked)).ok().filter(is_new_enough),
    };
    found.ok_or(Error::NoDeviceProcesses)
}

fn is_new_enough(qemu: &Qemu) -> bool {
    let Ok(output) = Command::new(qemu.program()).arg("--version").output() else { return false };
    release(&String::from_utf8_lossy(&output.stdout)).is_some_and(|release| release >= OLDEST)
}

/// The release in `QEMU emulator version 11.1.3 (Debian …)`.
fn release(text: &str) -> Option<(u32, u32)> {
    let version = text.split_whitespace().skip_while(|word| *word != "version").nth(1)?;
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_and_compared_as_numbers() {
        assert_eq!(release("QEMU emulator version 11.1.3 (Debian 1:11.1.3)\nCopyright"), Some((11, 1)));
        assert_eq!(release("QEMU emulator version 7.2.22 (x)"), Some((7, 2)));
        assert!(release("QEMU emulator version 9.10").unwrap() < OLDEST);
        assert_eq!(release("something else"), None);
    }
}
