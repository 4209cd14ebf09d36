//! What a DHCP server gives.

use core::fmt;
use core::net::Ipv4Addr;

/// An address, its network and the way out of it (RFC 2131).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The station's address.
    pub address: Ipv4Addr,
    /// Leading bits that all addresses of the network share; at most 32.
    pub prefix: u8,
    /// Who forwards to other networks, if anybody does.
    pub gateway: Option<Ipv4Addr>,
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)?;
        match self.gateway {
            Some(gateway) => write!(f, " gateway {gateway}"),
            None => f.write_str(" no gateway"),
        }
    }
}
