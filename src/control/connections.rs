//! Who is connected, and who has to make room: nobody is kept out by those who only sit there.
//!
//! A connection is busy while something of it is under way: an ask, a stream of events. Those are bounded by their own
//! limits, which together are fewer than the connections there may be: so there is always one to let go for a newcomer,
//! and that is the one that was idle the longest. One process has a few connections only, and makes room for itself.

use super::peer::Peer;
use super::server::Limits;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// One connection, as its requests know it.
#[derive(Clone, Debug, Default)]
pub(super) struct Connection(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    busy: AtomicUsize,
    cut: Notify,
}

/// Something is under way on the connection while this lives.
#[derive(Debug)]
pub(super) struct Busy(Connection);

impl Connection {
    /// Closes it.
    pub fn cut(&self) {
        self.0.cut.notify_one();
    }

    /// Returns when it is to be closed.
    pub async fn is_cut(&self) {
        self.0.cut.notified().await;
    }

    pub fn begin(&self) -> Busy {
        self.0.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    fn is_busy(&self) -> bool {
        self.0.busy.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All of them, the longest there first.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<Vec<(Peer, Connection)>>);

/// A place among the connections, given back when it is dropped.
pub(super) struct Slot {
    all: Arc<Connections>,
    pub connection: Connection,
    /// All others are busy: there is room to be told so, and for nothing else.
    pub crowded: bool,
}

impl Connections {
    /// A place for a newcomer. Who is idle makes room for him: his own process's connections, where those are too many
    /// already.
    pub fn enter(self: &Arc<Connections>, peer: Peer, limits: &Limits) -> Slot {
        let mut all = self.lock();
        let own = |p: &Peer| p.pid == peer.pid;
        let mut crowded = false;
        while !crowded && all.iter().filter(|(p, _)| own(p)).count() >= limits.per_process {
            crowded = !make_room(&mut all, own);
        }
        while !crowded && all.len() >= limits.connections {
            crowded = !make_room(&mut all, |_| true);
        }
        let connection = Connection::default();
        all.push((peer, connection.clone()));
        drop(all);
        Slot { all: self.clone(), connection, crowded }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Peer, Connection)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(all: &mut Vec<(Peer, Connection)>, of: impl Fn(&Peer) -> bool) -> bool {
    let Some(idle) = all.iter().position(|(peer, connection)| of(peer) && !connection.is_busy()) else { return false };
    let (_, connection) = all.remove(idle);
    connection.cut();
    true
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.all.lock().retain(|(_, connection)| !Arc::ptr_eq(&connection.0, &self.connection.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { connections: 4, per_process: 2, ..Limits::default() }
    }

    fn peer(pid: i32) -> Peer {
        Peer { pid, uid: 1000, gid: 1000 }
    }

    fn pids(all: &Connections) -> Vec<i32> {
        all.lock().iter().map(|(peer, _)| peer.pid).collect()
    }

    #[test]
    fn a_process_with_too_many_connections_makes_room_for_itself_and_for_nobody_else() {
        let all = Arc::new(Connections::default());
        let mut slots: Vec<Slot> = [1, 2, 2, 2, 2].map(|pid| all.enter(peer(pid), &limits())).into();
        assert_eq!(pids(&all), [1, 2, 2]);
        slots.pop();
        assert_eq!(pids(&all), [1, 2]);
        slots.clear();
        assert!(pids(&all).is_empty(), "and those that had to go give no place back twice");
    }

    #[test]
    fn when_all_places_are_taken_the_longest_idle_goes_and_the_busy_stay() {
        let all = Arc::new(Connections::default());
        let slots: Vec<Slot> = (1..=4).map(|pid| all.enter(peer(pid), &limits())).collect();
        let watching = slots[0].connection.begin();
        let fifth = all.enter(peer(5), &limits());
        assert_eq!(pids(&all), [1, 3, 4, 5]);
        let busy: Vec<Busy> = slots.iter().chain([&fifth]).map(|slot| slot.connection.begin()).collect();
        let turned_away: Vec<Slot> = (0..20).map(|_| all.enter(peer(6), &limits())).collect();
        assert!(turned_away.iter().all(|slot| slot.crowded), "all are busy");
        assert_eq!(pids(&all), [1, 3, 4, 5, 6], "and who is turned away makes room for the next");
        drop((watching, busy, turned_away));
        assert!(!all.enter(peer(6), &limits()).crowded);
    }

    #[test]
    fn with_the_limits_there_are_somebody_is_always_idle_when_all_places_are_taken() {
        let limits = Limits::default();
        assert!(limits.asks + limits.watchers < limits.connections);
        assert!(limits.per_process < limits.asks.min(limits.watchers), "one process does not take all of either");
    }
}
