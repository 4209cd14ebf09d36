//! What drill and attacks may do with a device.

use ::attack::{Progress, Skill, StartRefused};
use dma_types::{Access, Iova};

use super::DeviceRecord;
use crate::dma;

/// A device that can be told to read or write any address, without changing a medium or sending a frame.
pub trait Overreach: Sync {
    /// The kernel's record of it.
    fn record(&self) -> &'static DeviceRecord;

    /// The address space it works in.
    fn dma(&self) -> &dma::Device;

    /// What it can be made to do.
    fn skill(&self) -> Skill;

    /// Starts one transfer of the skill's length at `iova`, and does not wait for its end.
    ///
    /// A device that the transfer before has left unusable is started again first.
    ///
    /// # Errors
    /// If it is busy or cannot make such a request.
    fn start(&self, access: Access, iova: Iova) -> Result<(), StartRefused>;

    /// How the transfer goes. It comes to an end, whatever the device does.
    fn poll(&self) -> Progress;

    /// Has the device send its interrupt message, whatever that is programmed as, and does not wait. What that needs goes
    /// by [`poll`](Self::poll), like a transfer.
    ///
    /// # Errors
    /// If it is busy, or has no message.
    fn interrupt(&self) -> Result<(), StartRefused>;
}
