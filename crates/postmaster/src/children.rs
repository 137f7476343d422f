//! The children of this process: those that somebody here waits for, and the others.

use std::collections::BTreeSet;
use std::io;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The children that somebody here waits for. It is locked while there may be one that is not in it yet.
static AWAITED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn awaited() -> MutexGuard<'static, BTreeSet<u32>> {
    AWAITED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a program; the caller waits for its end, and then calls [`forget`].
pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
    let mut awaited = awaited();
    let child = command.spawn()?;
    awaited.insert(child.id());
    Ok(child)
}

/// Notes that the end of a child was waited for.
pub(crate) fn forget(child: &Child) {
    awaited().remove(&child.id());
}

/// Does what starts a program and waits for its end, which must be near.
pub(crate) fn undisturbed<T>(run: impl FnOnce() -> T) -> T {
    let _guard = awaited();
    run()
}

/// Reaps the ended children that nobody here waits for, and returns whether to look again soon.
///
/// For process 1, to which the system gives the children of processes that have ended. One that somebody here waits for
/// hides those that ended after it, until it is waited for.
#[cfg(target_os = "linux")]
#[must_use]
pub fn reap_others() -> bool {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};

    // Somebody starts a program just now.
    let Ok(awaited) = AWAITED.try_lock() else { return true };
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
    loop {
        match waitid(Id::All, look | WaitPidFlag::WNOWAIT) {
            Ok(status) => match status.pid() {
                Some(pid)
                    if u32::try_from(pid.as_raw()).is_ok_and(|pid| awaited.contains(&pid)) =>
                {
                    return true;
                }
                // The next look finds the next one.
                Some(pid) if waitid(Id::Pid(pid), look).is_ok() => {}
                _ => return false,
            },
            Err(_) => return false,
        }
    }
}

/// Does nothing: elsewhere this is never process 1.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn reap_others() -> bool {
    false
}
