//! What this machine is called.

use core::fmt;

use crate::arch::cpu;

/// The machine's name for people: its processor's, since nothing else is known of it.
pub fn name() -> impl fmt::Display {
    Name
}

struct Name;

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match cpu::identity().brand() {
            "" => f.write_str("this machine"),
            brand => write!(f, "a machine with {brand}"),
        }
    }
}
