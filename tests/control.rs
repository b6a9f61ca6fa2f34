//! A line has one owner; its owner answers on a socket. The cast: the owner, and whoever comes.

mod control {
    mod lock;
    mod openapi;
    mod place;
    mod server;
    mod support;
}
