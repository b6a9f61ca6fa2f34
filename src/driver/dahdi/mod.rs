//! DAHDI channels as ports.
