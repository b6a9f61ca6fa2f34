//! Who may act on a call: the owner's own user, root, and the group [`GROUP`](super::place::GROUP).
//!
//! The mode of the socket says so already; this is the second bolt. A socket in a directory that somebody has opened, or
//! whose group is not ours because there is no such group, still obeys nobody else.

use super::place::group;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{Gid, Uid, User, getgrouplist};
use std::ffi::CString;
use std::os::fd::AsFd;

/// The process at the other end, as the kernel noted it when it connected (SO_PEERCRED, unix(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub pid: i32,
    pub uid: u32,
    pub gid: u32,
}

impl Peer {
    pub fn of(socket: &impl AsFd) -> nix::Result<Peer> {
        let c = getsockopt(socket, PeerCredentials)?;
        Ok(Peer { pid: c.pid(), uid: c.uid(), gid: c.gid() })
    }

    pub fn may_act(self) -> bool {
        self.may_act_for(Uid::effective().as_raw(), group(), is_member)
    }

    fn may_act_for(self, owner: u32, group: Option<Gid>, member: impl Fn(u32, Gid) -> bool) -> bool {
        let in_group = |group: Gid| self.gid == group.as_raw() || member(self.uid, group);
        self.uid == owner || self.uid == 0 || group.is_some_and(in_group)
    }
}

/// By the user database: a process that was started before its user joined the group counts too.
fn is_member(uid: u32, group: Gid) -> bool {
    let Ok(Some(user)) = User::from_uid(Uid::from_raw(uid)) else { return false };
    let Ok(name) = CString::new(user.name) else { return false };
    getgrouplist(&name, user.gid).is_ok_and(|groups| groups.contains(&group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_root_and_the_group_may_act_and_nobody_else() {
        let group = Some(Gid::from_raw(77));
        let member = |uid, _| uid == 1002;
        let may = |uid, gid, group| Peer { pid: 4711, uid, gid }.may_act_for(1000, group, member);
        assert!(may(1000, 1000, None), "the owner");
        assert!(may(0, 0, None), "root");
        assert!(may(1001, 77, group), "by primary group");
        assert!(may(1002, 1002, group), "by membership");
        assert!(!may(1003, 1003, group), "a stranger");
        assert!(!may(1002, 1002, None), "no such group on this machine");
    }

    #[test]
    fn a_user_that_nobody_knows_is_in_no_group() {
        assert!(!is_member(3_999_999_999, Gid::from_raw(0)));
    }
}
