//! Who is let in, and when the file counts.

use std::fs;

use super::*;
use crate::{Order, Scope, Secret};

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

struct Ring {
    ring: Keyring,
    _directory: tempfile::TempDir,
}

fn scopes(scopes: &[Scope]) -> Scopes {
    scopes.iter().copied().collect()
}

fn ring(rate: Option<u32>) -> Ring {
    let directory = tempfile::tempdir().unwrap();
    let file = KeyFile::at(directory.path().join("keys.toml"));
    fs::write(file.path(), "").unwrap();
    let ring = Keyring::open(file, rate.and_then(NonZeroU32::new)).unwrap();
    Ring { ring, _directory: directory }
}

impl Ring {
    fn add(&self, order: Order) -> Secret {
        let order = Order { scopes: scopes(&[Scope::Predict]), ..order };
        let secret = self.ring.file.add(order).unwrap();
        self.renew();
        secret
    }

    fn renew(&self) -> Change {
        self.ring.renew(self.ring.look(), Instant::now())
    }

    fn admit(&self, shown: &str) -> Result<KeyId, Refusal> {
        self.ring.admit(Some(shown.as_bytes()), scopes(&[Scope::Predict]), PEER, Utc::now())
    }
}

fn why(refused: Result<KeyId, Refusal>) -> &'static str {
    match refused {
        Err(Refusal::Bad { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_the_secret_of_a_valid_key_is_let_in() {
    let ring = ring(None);
    let good = ring.add(Order::default());
    let stranger = Secret::new().unwrap();
    let expired = ring.add(Order { expires: Some(Utc::now()), ..Order::default() });
    let revoked = ring.add(Order::default());
    ring.ring.file.revoke(revoked.id().unwrap(), Utc::now()).unwrap();
    assert!(matches!(ring.renew(), Change::Renewed(Renewal { keys: 3, .. })));

    assert_eq!(ring.admit(good.expose()), Ok(good.id().unwrap()));
    assert_eq!(why(ring.admit(stranger.expose())), "it is unknown");
    assert_eq!(why(ring.admit(expired.expose())), "it has expired");
    assert_eq!(why(ring.admit(revoked.expose())), "it is revoked");
    assert_eq!(why(ring.admit("onr_x")), "it is malformed");
    // The id of one, and the random part of another.
    let crossed = format!("{}{}", &good.expose()[..13], &stranger.expose()[13..]);
    assert_eq!(why(ring.admit(&crossed)), "it is wrong");
    let missing = ring.ring.admit(None, scopes(&Scope::ALL), PEER, Utc::now());
    assert_eq!(missing, Err(Refusal::Missing));
}

#[test]
fn one_of_the_scopes_is_enough_and_another_is_not() {
    let ring = ring(None);
    let secret = ring.add(Order::default());
    let key = secret.id().unwrap();
    for (asked, expected) in [
        (&[Scope::Predict][..], Ok(key)),
        (&[Scope::Admin, Scope::Predict], Ok(key)),
        (&[Scope::Read, Scope::Label, Scope::Admin], Err(Refusal::Scope { key })),
        (&[], Err(Refusal::Scope { key })),
    ] {
        let shown = Some(secret.expose().as_bytes());
        assert_eq!(ring.ring.admit(shown, scopes(asked), PEER, Utc::now()), expected);
    }
}

#[test]
fn the_limit_of_a_key_outlives_a_renewal() {
    let ring = ring(Some(3));
    let first = ring.add(Order::default());
    let second = ring.add(Order { rate: NonZeroU32::new(1_000), ..Order::default() });
    let exhaust =
        |secret: &Secret| (0..500).filter(|_| ring.admit(secret.expose()).is_ok()).count();
    assert!((3..10).contains(&exhaust(&first)));
    // Another key appears, and the first has gained nothing.
    ring.add(Order::default());
    assert!(matches!(ring.admit(first.expose()), Err(Refusal::TooFast { .. })));
    assert_eq!(exhaust(&second), 500);
}

#[test]
fn failed_attempts_do_not_hold_up_a_good_key() {
    let ring = ring(None);
    let good = ring.add(Order::default());
    let refused: Vec<_> = (0..700).map(|_| ring.admit("onr_x").unwrap_err()).collect();
    assert!(matches!(refused.last(), Some(Refusal::TooManyFailures { .. })), "{refused:?}");
    assert!(ring.admit(good.expose()).is_ok());
}

#[test]
fn a_file_that_cannot_be_read_lets_nobody_in_after_a_moment() {
    let ring = ring(None);
    let good = ring.add(Order::default());
    let path = ring.ring.file.path().to_owned();
    let text = fs::read_to_string(&path).unwrap();
    let long_ago = Instant::now().checked_sub(GRACE * 2).unwrap();
    let breakages: [&dyn Fn(); 3] =
        [&|| fs::remove_file(&path).unwrap(), &|| fs::write(&path, "[[key]]").unwrap(), &|| {
            fs::write(&path, &text[..text.len() / 2]).unwrap();
        }];
    for damage in breakages {
        damage();
        assert!(matches!(ring.renew(), Change::Broken(_)));
        assert!(ring.admit(good.expose()).is_ok(), "an editor may be at it");
        assert!(matches!(ring.renew(), Change::None), "it is told once");

        fs::write(&path, &text).unwrap();
        assert!(matches!(ring.renew(), Change::Mended(Renewal { keys: 1, .. })));
        damage();
        ring.ring.renew(ring.ring.look(), long_ago);
        ring.renew();
        assert_eq!(ring.admit(good.expose()), Err(Refusal::Unreadable));
        let nothing = ring.ring.admit(None, scopes(&Scope::ALL), PEER, Utc::now());
        assert_eq!(nothing, Err(Refusal::Unreadable));

        fs::write(&path, &text).unwrap();
        assert!(matches!(ring.renew(), Change::Mended(Renewal { keys: 1, .. })));
        assert!(ring.admit(good.expose()).is_ok());
    }
}

#[test]
fn a_key_that_is_gone_from_the_file_counts_no_more() {
    let ring = ring(None);
    let good = ring.add(Order::default());
    fs::write(ring.ring.file.path(), "# all gone\n").unwrap();
    assert!(matches!(ring.renew(), Change::Renewed(Renewal { keys: 0, .. })));
    assert_eq!(why(ring.admit(good.expose())), "it is unknown");
}

#[test]
fn a_renewal_names_the_keys_that_came_went_and_changed() {
    let ring = ring(None);
    let [first, second, third] = [(); 3].map(|()| ring.add(Order::default()).id().unwrap());
    let path = ring.ring.file.path().to_owned();
    let text = fs::read_to_string(&path).unwrap();
    let tables: Vec<_> = text.split_inclusive("\n[[key]]").collect();
    fs::write(&path, tables[..tables.len() - 1].concat().trim_end_matches("[[key]]")).unwrap();
    ring.ring.file.revoke(first, Utc::now()).unwrap();
    let fourth = ring.ring.file.add(Order { scopes: scopes(&Scope::ALL), ..Order::default() });
    let fourth = fourth.unwrap().id().unwrap();
    match ring.renew() {
        Change::Renewed(Renewal { keys, came, went, changed }) => {
            assert_eq!((keys, came, went, changed), (3, vec![fourth], vec![third], vec![first]));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(ring.renew(), Change::None), "{second} is as it was");
}

/// As with a link to a file of somebody else's, or a directory that is opened to all.
#[test]
fn a_file_that_others_may_change_lets_nobody_in() {
    use std::os::unix::fs::PermissionsExt;

    let ring = ring(None);
    let good = ring.add(Order::default());
    let path = ring.ring.file.path().to_owned();
    let long_ago = Instant::now().checked_sub(GRACE * 2).unwrap();
    for (place, open, closed) in [(&*path, 0o666, 0o600), (path.parent().unwrap(), 0o777, 0o700)] {
        let mode = |mode| fs::set_permissions(place, fs::Permissions::from_mode(mode)).unwrap();
        mode(open);
        let change = ring.ring.renew(ring.ring.look(), long_ago);
        assert!(matches!(change, Change::Broken(Error::Untrusted { .. })), "{change:?}");
        assert_eq!(ring.admit(good.expose()), Err(Refusal::Unreadable));
        mode(closed);
        assert!(matches!(ring.renew(), Change::Mended(_)));
        assert!(ring.admit(good.expose()).is_ok());
    }
}

#[test]
fn it_tells_no_secret_and_no_hash() {
    let ring = ring(None);
    let good = ring.add(Order::default());
    let told = format!("{:?} {:?}", ring.ring, good);
    assert!(!told.contains(&good.expose()[13..]) && !told.contains(&good.digest().to_string()));
}
