//! The stations: each is made when its card is first used, and keeps its address from command to command.

use alloc::vec::Vec;

use dma_types::Bdf;
use network::{NetworkError, Port, Station};

use super::port::now;
use crate::arch::random;
use crate::sync::{Mutex, rank};

/// Held while a conversation is; only console commands hold any.
static STATIONS: Mutex<Vec<(Bdf, Station)>, rank::Stations> = Mutex::new(Vec::new());

/// Lends the station behind a card.
///
/// # Errors
/// If it is new, and cannot be made.
pub(super) fn with<T>(
    card: Bdf,
    port: &dyn Port,
    visit: impl FnOnce(&mut Station) -> Result<T, super::NetError>,
) -> Result<T, super::NetError> {
    let mut stations = STATIONS.lock();
    let index = match stations.iter().position(|(bdf, _)| *bdf == card) {
        Some(index) => index,
        None => {
            let station = Station::new(port, random::number(), now())?;
            stations.try_reserve(1).map_err(|_| NetworkError::OutOfMemory { bytes: size_of::<Station>() })?;
            stations.push((card, station));
            stations.len() - 1
        }
    };
    visit(&mut stations[index].1)
}
