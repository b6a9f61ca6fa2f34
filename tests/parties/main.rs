//! Nobody gets lost: every step of a transfer against every fault, and calls drawn from seeds.

mod matrix;
mod rig;
mod seeds;
