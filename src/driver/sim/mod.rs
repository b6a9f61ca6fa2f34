//! The simulated exchange as a port.
