//! What is said of attacks by devices that work, that do not, and that get through.

mod forgery;
mod judgement;
mod script;
mod target;
mod turn;
