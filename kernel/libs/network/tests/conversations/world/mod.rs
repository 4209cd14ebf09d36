//! A network of two: the station under test, and a far end that is DHCP server, echoes, and talks TCP.

mod far_end;
pub mod servers;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::Ipv4Addr;

use network::{
    Asking, Conversation, Duration, Instant, Lease, NetworkError, Pattern, Port, Received, Sent, Station,
    Step,
};

pub use far_end::{FarEnd, Manners};

/// The station's own card.
pub const NEAR_CARD: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
/// The far end's card.
pub const FAR_CARD: [u8; 6] = [0x52, 0x55, 10, 0, 2, 2];
/// The far end's address, on which it also is the gateway.
pub const FAR: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// The address that the DHCP server has to give.
pub const NEAR: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
/// Where the far end listens.
pub const PORT: u16 = 7000;

/// Frames that a card holds before it has no room.
const ROOM: usize = 8;

/// Time that passes while anything moves.
const TICK: Duration = Duration::from_micros(20);

/// A cable with the frames on it.
#[derive(Default)]
pub struct Cable {
    to_near: RefCell<VecDeque<Vec<u8>>>,
    to_far: RefCell<VecDeque<Vec<u8>>>,
    /// One frame in so many is lost, by chance.
    pub loses: Option<u8>,
    chance: RefCell<Pattern>,
    /// What is done to every frame on its way to the station.
    pub tamper: Option<Tamper>,
}

/// Changes frames on their way.
pub type Tamper = RefCell<Box<dyn FnMut(&mut Vec<u8>)>>;

/// The station's end of the cable: a card.
impl Port for Cable {
    fn address(&self) -> [u8; 6] {
        NEAR_CARD
    }

    fn receive(&self, take: &mut dyn FnMut(&[u8])) -> Received {
        match self.to_near.borrow_mut().pop_front() {
            None => Received::Nothing,
            Some(frame) => {
                take(&frame);
                Received::Frame
            }
        }
    }

    fn send(&self, frame: &[u8]) -> Sent {
        let mut waiting = self.to_far.borrow_mut();
        if waiting.len() >= ROOM {
            return Sent::NoRoom;
        }
        if !self.is_lost() {
            waiting.push_back(frame.to_vec());
        }
        Sent::Taken
    }
}

impl Cable {
    /// Puts a frame on the cable towards the station.
    pub fn deliver(&self, mut frame: Vec<u8>) {
        if let Some(tamper) = &self.tamper {
            tamper.borrow_mut()(&mut frame);
        }
        if !self.is_lost() {
            self.to_near.borrow_mut().push_back(frame);
        }
    }

    fn is_lost(&self) -> bool {
        let mut draw = [0_u8];
        self.chance.borrow_mut().fill(&mut draw);
        self.loses.is_some_and(|one_in| draw[0].is_multiple_of(one_in))
    }

    fn is_empty(&self) -> bool {
        self.to_near.borrow().is_empty() && self.to_far.borrow().is_empty()
    }
}

/// The network, and its time.
pub struct World {
    pub cable: Cable,
    pub far: FarEnd,
    pub now: Instant,
}

impl World {
    /// A far end of certain manners at the end of a cable that loses nothing.
    pub fn new(manners: Manners) -> Self {
        Self { cable: Cable::default(), far: FarEnd::new(manners), now: Instant::from_millis(1) }
    }

    /// A station at the near end.
    pub fn station(&self) -> Station {
        Station::new(&self.cable, 1, self.now).unwrap()
    }

    /// A station that has been given an address.
    pub fn station_with_address(&mut self) -> Station {
        let mut station = self.station();
        assert!(self.ask(&mut station).is_ok());
        station
    }

    /// Asks for an address.
    pub fn ask(&mut self, station: &mut Station) -> Result<Lease, NetworkError> {
        let asking = Asking::start(station, self.now, Duration::from_secs(5));
        self.hold(asking)
    }

    /// Holds a conversation to its end.
    pub fn hold<C: Conversation>(&mut self, mut conversation: C) -> C::Outcome {
        loop {
            let rest = match conversation.step(&self.cable, self.now) {
                Step::Done(outcome) => return outcome,
                Step::More => TICK,
                Step::Rest(rest) => rest,
            };
            let far_rest = self.far.step(&self.cable, self.now);
            self.now += if self.cable.is_empty() { rest.min(far_rest).max(TICK) } else { TICK };
            assert!(self.now < Instant::from_secs(100_000), "the conversation does not end");
        }
    }
}
