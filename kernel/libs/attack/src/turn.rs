//! Who may overreach while others do: where a unit has one fault record, it has to be free for the fault.

/// What an attack's next step waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// Nothing: it is no overreach.
    Nothing,
    /// A pause behind the overreach of another.
    Pause,
    /// The end of all others' overreaches.
    Solitude,
}

/// Whether the pause behind the last overreach is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// It goes on.
    Lasts,
    /// It is over.
    Over,
}

/// What the attacks that are under way do, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// None overreaches.
    Quiet,
    /// One overreaches.
    Striking,
    /// One does so again, since its first fault was not seen.
    StrikingAgain,
}

impl WaitsFor {
    /// Tells whether the step may be made now.
    pub fn is_over(self, pause: Pause, others: Others) -> bool {
        match self {
            Self::Nothing => true,
            Self::Pause => pause == Pause::Over && others != Others::StrikingAgain,
            Self::Solitude => others == Others::Quiet,
        }
    }
}
