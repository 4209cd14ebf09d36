//! The sequences that ship, on a VT-d unit in software that remembers everything until it is told to forget it.

mod arms;
mod dice;
mod failing;
mod groups;
mod interrupts;
mod machine;
mod random;
mod stage;
