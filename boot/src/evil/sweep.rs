//! Many requests of a device to many places, and which of them landed.

use vfio_device::{DmaError, Port};

/// Bytes of a page.
pub(super) const PAGE: u64 = 4096;
/// Where firmware, video memory and ROMs lie below 1 MiB.
const LEGACY: std::ops::Range<u64> = 0xa_0000..0x10_0000;
/// Requests under way at a time.
const AT_ONCE: usize = 64;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Reads eight bytes.
    Read,
    /// Writes eight bytes.
    Write,
}

/// Numbers of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sweep {
    /// How many were made.
    pub(super) tried: usize,
    /// Where they landed.
    pub(super) landed: Vec<u64>,
}

impl Sweep {
    /// Adds another's numbers.
    pub(super) fn add(&mut self, other: Self) {
        self.tried += other.tried;
        self.landed.extend(other.landed);
    }
}

/// Every page of a machine's memory, but for what lies below 1 MiB and is none.
pub(super) fn pages(memory: u64) -> impl Iterator<Item = u64> {
    (0..memory / PAGE).map(|page| page * PAGE).filter(|address| !LEGACY.contains(address))
}

/// Places that are no memory, or that no device has any business with: registers of the platform, configuration space,
/// and what lies beyond every memory and every width.
pub(super) const ELSEWHERE: [u64; 12] = [
    0xb000_0000,
    0xfec0_0000,
    0xfed0_0000,
    0xfed4_0000,
    0xfed9_0000,
    0xffff_f000,
    0x1_0000_0000,
    1 << 38,
    1 << 46,
    1 << 47,
    1 << 62,
    u64::MAX - 0xfff,
];

/// Makes a request to each address, several at a time.
///
/// # Errors
/// If the machine is gone.
pub(super) fn sweep(
    port: &Port,
    reach: Reach,
    addresses: impl IntoIterator<Item = u64>,
) -> Result<Sweep, DmaError> {
    let mut result = Sweep::default();
    let mut addresses = addresses.into_iter().peekable();
    while addresses.peek().is_some() {
        let sent: Vec<_> = addresses
            .by_ref()
            .take(AT_ONCE)
            .map(|address| {
                let ticket = match reach {
                    Reach::Read => port.start_read(address, 8),
                    Reach::Write => port.start_write(address, b"intruder"),
                };
                ticket.map(|ticket| (address, ticket))
            })
            .collect::<Result<_, _>>()?;
        for (address, ticket) in sent {
            result.tried += 1;
            match port.wait(ticket) {
                Ok(_) => result.landed.push(address),
                Err(DmaError::Refused(_)) => (),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_leave_out_what_is_no_memory() {
        let all: Vec<_> = pages(2 << 20).collect();
        assert_eq!(all.len(), 512 - 0x60);
        assert!(all.contains(&0x9_f000) && !all.contains(&0xa_0000) && all.contains(&0x10_0000));
    }
}
