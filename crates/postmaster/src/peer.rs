//! Who answers at the socket.

use std::io;
use std::os::unix::net::UnixStream;

use crate::Error;
use crate::cluster::Cluster;
use crate::socket;

/// Makes sure that the user who answers at the socket is the one who runs PostgreSQL.
///
/// Done once for each start of PostgreSQL: only that user and root can put another socket there, as nobody else may write
/// in the directory.
pub(crate) fn check(cluster: &Cluster) -> Result<(), Error> {
    let path = socket::path(cluster);
    let stream = UnixStream::connect(&path).map_err(Error::file("connect to", &path))?;
    let user = user(&stream).map_err(Error::file("look at the peer of", &path))?;
    let expected = cluster.account.uid();
    if user == expected { Ok(()) } else { Err(Error::Impostor { path, user, expected }) }
}

#[cfg(target_os = "linux")]
fn user(stream: &UnixStream) -> io::Result<u32> {
    use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
    Ok(getsockopt(stream, PeerCredentials)?.uid())
}

#[cfg(not(target_os = "linux"))]
fn user(stream: &UnixStream) -> io::Result<u32> {
    Ok(nix::unistd::getpeereid(stream)?.0.as_raw())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use nix::unistd::geteuid;

    use super::*;

    #[test]
    fn whoever_listens_is_known_by_the_user() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        let stream = UnixStream::connect(&path).unwrap();
        assert_eq!(user(&stream).unwrap(), geteuid().as_raw());
    }
}
