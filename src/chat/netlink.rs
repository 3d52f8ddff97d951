//! Hearing from the kernel that links, addresses or routes have changed (rtnetlink(7)).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt,
    socket,
};
use nix::sys::time::{TimeVal, TimeValLike};
use tokio::sync::watch;

// linux/rtnetlink.h: multicast groups, as bits.
const LINK: u32 = 0x1;
const IPV4_ADDRESS: u32 = 0x10;
const IPV4_ROUTE: u32 = 0x40;
const IPV6_ADDRESS: u32 = 0x100;
const IPV6_ROUTE: u32 = 0x400;
const GROUPS: u32 = LINK | IPV4_ADDRESS | IPV4_ROUTE | IPV6_ADDRESS | IPV6_ROUTE;
/// How often the thread looks whether anybody still cares, seconds.
const LOOK_UP: i64 = 5;

/// Counts changes of this machine's links, addresses and routes for as long as anybody watches,
/// on a thread of its own. What has changed is not told: whoever cares tests its own line. Where
/// the kernel's announcements cannot be had, as in some sandboxes, the number never moves.
pub fn network_changes() -> watch::Receiver<u64> {
    let (count, seen) = watch::channel(0);
    let started = subscribe().and_then(|announcements| {
        std::thread::Builder::new()
            .name("netlink".into())
            .spawn(move || follow(&announcements, &count))
    });
    if let Err(error) = started {
        tracing::warn!(%error, "changes of the network are noticed by silence alone");
    }
    seen
}

fn subscribe() -> io::Result<OwnedFd> {
    let announcements = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    setsockopt(&announcements, ReceiveTimeout, &TimeVal::seconds(LOOK_UP))?;
    bind(announcements.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
    Ok(announcements)
}

fn follow(announcements: &OwnedFd, count: &watch::Sender<u64>) {
    // Announcements are not looked into, so what does not fit may be cut off.
    let mut buffer = [0; 4096];
    while !count.is_closed() {
        match recv(announcements.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            // The kernel drops announcements nobody was fast enough for: that is a change too.
            Ok(_) | Err(Errno::ENOBUFS) => count.send_modify(|count| *count += 1),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => {
                tracing::warn!(%error, "changes of the network are no longer heard of");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_announcements_can_be_subscribed_to() {
        assert!(subscribe().is_ok());
    }
}
