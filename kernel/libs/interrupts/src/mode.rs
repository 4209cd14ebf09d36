//! Which of its two modes the local APIC works in (SDM "x2APIC Mode").

use core::fmt;

/// How the local APIC is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApicMode {
    /// Registers in memory, 8-bit ids.
    XApic,
    /// Model-specific registers, 32-bit ids.
    X2Apic,
}

impl fmt::Display for ApicMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::XApic => "xAPIC",
            Self::X2Apic => "x2APIC",
        })
    }
}

/// Whether software can leave x2APIC mode again (SDM "IA32_XAPIC_DISABLE_STATUS").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeLock {
    /// It can, by way of switching the APIC off.
    Free,
    /// Firmware has locked it.
    Locked,
}

/// What the processor offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// xAPIC alone.
    XApicAlone,
    /// Both modes.
    Both,
}

/// What firmware's table asks of software (DMAR "X2APIC_OPT_OUT").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    None,
    /// To stay in xAPIC mode.
    OptOut,
}

/// Whether device interrupts reach an APIC in x2APIC mode (SDM "Routing of Device Interrupts in x2APIC Mode").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// Every unit remaps, with entries that name processors in that mode (VT-d "Extended Interrupt Mode").
    Remapped,
    /// Units remap, and some have no such entries.
    XApicAlone,
    /// Nothing remaps, and a hypervisor sees to it.
    Hypervisor,
    /// Nothing remaps.
    Unremapped,
}

/// What the choice depends on.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// The mode that firmware left it in.
    pub found: ApicMode,
    /// Whether that can be left.
    pub lock: ModeLock,
    /// What the processor offers.
    pub offer: Offer,
    /// What firmware asks for.
    pub wish: Wish,
    /// Whether interrupts arrive in x2APIC mode.
    pub routing: Routing,
}

/// A mode, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The mode to work in.
    pub mode: ApicMode,
    /// Why it and not the other.
    pub reason: Reason,
}

/// Why a mode is worked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The processor offers it.
    Offered,
    /// Firmware left the APIC in it.
    Found,
    /// Firmware locked the APIC in it.
    Locked,
    /// Firmware left the APIC in it, and yet its table asks for the other.
    FoundAgainstWish,
    /// The processor offers nothing else.
    NotOffered,
    /// Firmware's table asks for it.
    OptedOut,
    /// Remapping units cannot name processors in the other.
    NotNamed,
    /// Nothing remaps interrupts, as those in the other need it.
    NotRemapped,
}

/// Chooses: x2APIC wherever it is safe, and wherever firmware has it on; nothing is gained by leaving it.
pub const fn choose(situation: Situation) -> Choice {
    let Situation { found, lock, offer, wish, routing } = situation;
    let (mode, reason) = match (found, lock, offer, wish, routing) {
        (ApicMode::X2Apic, ModeLock::Locked, ..) => (ApicMode::X2Apic, Reason::Locked),
        (ApicMode::X2Apic, _, _, Wish::OptOut, _) => (ApicMode::X2Apic, Reason::FoundAgainstWish),
        (ApicMode::X2Apic, ..) => (ApicMode::X2Apic, Reason::Found),
        (_, _, Offer::XApicAlone, ..) => (ApicMode::XApic, Reason::NotOffered),
        (_, _, _, Wish::OptOut, _) => (ApicMode::XApic, Reason::OptedOut),
        (_, _, _, _, Routing::XApicAlone) => (ApicMode::XApic, Reason::NotNamed),
        (_, _, _, _, Routing::Unremapped) => (ApicMode::XApic, Reason::NotRemapped),
        (_, _, Offer::Both, Wish::None, Routing::Remapped | Routing::Hypervisor) => {
            (ApicMode::X2Apic, Reason::Offered)
        }
    };
    Choice { mode, reason }
}

/// For a sentence that names the mode before.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Offered => "the processor has it",
            Self::Found => "firmware left it on",
            Self::Locked => "firmware locked it on",
            Self::FoundAgainstWish => {
                "firmware left it on, although its table asks for xAPIC (X2APIC_OPT_OUT)"
            }
            Self::NotOffered => "the processor has no other",
            Self::OptedOut => "the firmware's table asks for it (X2APIC_OPT_OUT)",
            Self::NotNamed => "a remapping unit cannot name processors in x2APIC mode (EIM)",
            Self::NotRemapped => "nothing remaps interrupts, which x2APIC mode needs",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Situation = Situation {
        found: ApicMode::XApic,
        lock: ModeLock::Free,
        offer: Offer::Both,
        wish: Wish::None,
        routing: Routing::Remapped,
    };

    #[test]
    fn x2apic_is_used_where_the_processor_has_it_and_nothing_speaks_against_it() {
        for (situation, mode, reason) in [
            (PLAIN, ApicMode::X2Apic, Reason::Offered),
            (Situation { offer: Offer::XApicAlone, ..PLAIN }, ApicMode::XApic, Reason::NotOffered),
            (Situation { wish: Wish::OptOut, ..PLAIN }, ApicMode::XApic, Reason::OptedOut),
            (Situation { routing: Routing::Hypervisor, ..PLAIN }, ApicMode::X2Apic, Reason::Offered),
            (Situation { routing: Routing::XApicAlone, ..PLAIN }, ApicMode::XApic, Reason::NotNamed),
            (Situation { routing: Routing::Unremapped, ..PLAIN }, ApicMode::XApic, Reason::NotRemapped),
        ] {
            assert_eq!(choose(situation), Choice { mode, reason }, "{situation:?}");
        }
    }

    #[test]
    fn what_firmware_has_on_stays_on() {
        let on = Situation { found: ApicMode::X2Apic, ..PLAIN };
        for (situation, reason) in [
            (on, Reason::Found),
            (Situation { wish: Wish::OptOut, ..on }, Reason::FoundAgainstWish),
            (Situation { wish: Wish::OptOut, lock: ModeLock::Locked, ..on }, Reason::Locked),
            (Situation { routing: Routing::XApicAlone, ..on }, Reason::Found),
            (Situation { routing: Routing::Unremapped, ..on }, Reason::Found),
            // A hypervisor that hides what it has on.
            (Situation { offer: Offer::XApicAlone, ..on }, Reason::Found),
        ] {
            assert_eq!(choose(situation), Choice { mode: ApicMode::X2Apic, reason }, "{situation:?}");
        }
    }
}
