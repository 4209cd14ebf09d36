mod interleavings;
mod transitions;
