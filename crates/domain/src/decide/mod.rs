//! Folding inputs into the world: what an event, a timer or a touch's result does.
