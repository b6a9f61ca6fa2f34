//! The simulated exchange, driven through a port as any line is: what we do on the pair, and who is where afterwards.

mod line;

mod anything;
mod call_waiting;
mod calls_to_us;
mod calls_we_make;
mod every_country;
mod faults;
mod forwarding;
mod on_a_real_port;
mod recall;
mod repeats;
mod transfers;
mod two_wire;
