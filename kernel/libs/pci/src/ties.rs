//! Functions that are cut off together.
//!
//! A request is attributed by its id alone. Functions that may carry the same id are suspects together, and so are
//! those that share another id with one of them: once the ids of one are blocked, the others cannot work either. So
//! whoever cuts one off blocks the ids of all, each function's own among them; a function that keeps its own id could
//! still reach memory by it.

use alloc::vec::Vec;

use dma_types::{Bdf, SourceId};

use crate::groups::DisjointSets;
use crate::topology::Topology;

/// Functions that share ids, directly or through others, and everything that their requests may carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tie {
    /// The functions, by rising place.
    pub members: Vec<Bdf>,
    /// The ids of all of them, sorted, each once.
    pub ids: Vec<SourceId>,
}

impl Topology {
    /// Divides the functions into those that are cut off together, a function that shares no id alone.
    ///
    /// The number at each function's index is the index of its tie.
    pub fn ties(&self) -> (Vec<usize>, Vec<Tie>) {
        let mut carried = Vec::new();
        for (index, function) in self.functions().iter().enumerate() {
            let segment = function.bdf.segment;
            self.for_each_alias(function, |id| carried.push((Bdf::new(segment, id), index)));
        }
        carried.sort_unstable();
        carried.dedup();
        let mut sets = DisjointSets::new(self.functions().len());
        for same in carried.chunk_by(|a, b| a.0 == b.0) {
            for (_, index) in same {
                sets.join_with_first(same.first().map(|first| first.1), *index);
            }
        }
        self.collect_ties(&carried, &mut sets)
    }

    /// Gathers members and ids by the roots of their sets.
    fn collect_ties(&self, carried: &[(Bdf, usize)], sets: &mut DisjointSets) -> (Vec<usize>, Vec<Tie>) {
        let (mut numbers, mut ties) = (Vec::new(), Vec::<Tie>::new());
        for (index, function) in self.functions().iter().enumerate() {
            // The root is the set's first member, so it has its number already.
            let root = sets.root(index);
            let number =
                if root == index { ties.len() } else { numbers.get(root).copied().unwrap_or(ties.len()) };
            if number == ties.len() {
                ties.push(Tie::default());
            }
            numbers.push(number);
            ties.get_mut(number).into_iter().for_each(|tie| tie.members.push(function.bdf));
        }
        for (id, index) in carried {
            let tie = numbers.get(*index).and_then(|number| ties.get_mut(*number));
            tie.into_iter().for_each(|tie| tie.ids.push(id.source));
        }
        // They come by rising id, so equal ones stand side by side.
        ties.iter_mut().for_each(|tie| tie.ids.dedup());
        (numbers, ties)
    }
}

#[cfg(test)]
mod tests {
    use super::Tie;
    use crate::testing::{FakeSpace, bdf};
    use std::string::{String, ToString};
    use std::vec::Vec;

    /// The tie of a function, as text.
    fn tie(space: &FakeSpace, function: &str) -> (Vec<String>, Vec<String>) {
        let topology = space.enumerate();
        let (numbers, ties) = topology.ties();
        assert_eq!(numbers.len(), topology.functions().len());
        let Tie { members, ids } = &ties[numbers[topology.index_of(bdf(function)).unwrap()]];
        let members = members.iter().map(|member| member.source.to_string()).collect();
        (members, ids.iter().map(ToString::to_string).collect())
    }

    fn texts(ids: &[&str]) -> Vec<String> {
        ids.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_function_with_ids_of_its_own_is_cut_off_alone() {
        let space = FakeSpace::new()
            .endpoint("00:03.0", 0x1234, 0x11e8)
            .root_port("00:1c.0", 1, 1)
            .endpoint("01:00.0", 0x1b36, 0x10);
        assert_eq!(tie(&space, "01:00.0"), (texts(&["01:00.0"]), texts(&["01:00.0"])));
        assert_eq!(tie(&space, "00:03.0"), (texts(&["00:03.0"]), texts(&["00:03.0"])));
    }

    #[test]
    fn behind_a_bridge_the_own_id_of_each_sibling_is_blocked_too() {
        let space = FakeSpace::new()
            .root_port("00:1c.0", 1, 2)
            .express_to_pci_bridge("01:00.0", 2, 2)
            .endpoint("02:05.0", 0x1234, 0x11e8)
            .endpoint("02:06.0", 0x1234, 0x11e8);
        let members = texts(&["01:00.0", "02:05.0", "02:06.0"]);
        let ids = texts(&["01:00.0", "02:00.0", "02:05.0", "02:06.0"]);
        for function in ["02:05.0", "02:06.0", "01:00.0"] {
            assert_eq!(tie(&space, function), (members.clone(), ids.clone()));
        }
        assert_eq!(tie(&space, "00:1c.0").0, texts(&["00:1c.0"]), "a port passes ids on");
    }

    #[test]
    fn ties_reach_through_others() {
        // The two endpoints share no id with each other below the inner bridge, but both do with the outer one.
        let space = FakeSpace::new()
            .conventional_bridge("00:02.0", 1, 3)
            .endpoint("01:05.0", 0x1234, 0x11e8)
            .conventional_bridge("01:06.0", 2, 2)
            .endpoint("02:01.0", 0x1234, 0x11e8);
        let (members, ids) = tie(&space, "02:01.0");
        assert_eq!(members, texts(&["00:02.0", "01:05.0", "01:06.0", "02:01.0"]));
        assert_eq!(ids, texts(&["00:02.0", "01:00.0", "01:05.0", "01:06.0", "02:00.0", "02:01.0"]));
    }

    #[test]
    fn equal_ids_of_two_segments_tie_nothing() {
        let space = FakeSpace::new().endpoint("00:03.0", 1, 1).endpoint("0001:00:03.0", 1, 1);
        assert_eq!(tie(&space, "00:03.0").0.len(), 1);
        assert_eq!(tie(&space, "0001:00:03.0").0.len(), 1);
    }
}
