//! Who may call what: a request shows its key before anything else of it is looked at, or, without keys, its name.

use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use access::{KeyId, Keyring, Refusal, Scopes};
use chrono::{DateTime, Utc};
use poem::http::{HeaderMap, HeaderValue, header};
use poem::{Addr, Request};

use crate::names::Names;
use crate::problem::{Code, Problem};

/// What a request needs to be let in.
#[derive(Debug, Default)]
pub(crate) enum Guard {
    /// A key.
    Keys(Arc<Keyring>),
    /// One of these names, as there are no keys.
    Names(Names),
    /// Nothing.
    #[default]
    Nothing,
}

/// The key of a request that was let in, if that took one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller(pub(crate) KeyId);

impl Guard {
    /// One that asks for keys if there are some, else for names if there are some.
    pub(crate) fn new(keyring: Option<Arc<Keyring>>, names: Option<Names>) -> Self {
        let by_name = names.map_or(Self::Nothing, Self::Names);
        keyring.map_or(by_name, Self::Keys)
    }

    /// Whether it asks for keys.
    pub(crate) const fn asks_for_keys(&self) -> bool {
        matches!(self, Self::Keys(_))
    }

    /// Refuses a request for another name, whatever it is for, if there are no keys.
    pub(crate) fn check_name(&self, request: &Request) -> Result<(), Problem> {
        match self {
            Self::Names(names) => names.check(request),
            Self::Keys(_) | Self::Nothing => Ok(()),
        }
    }

    /// Lets a request in whose key is good for one of these scopes, and leaves its [`Caller`] with it.
    pub(crate) fn admit(
        &self,
        request: &mut Request,
        scopes: Scopes,
        now: DateTime<Utc>,
    ) -> Result<(), Problem> {
        let Self::Keys(keyring) = self else { return Ok(()) };
        let shown = shown(request.headers())?;
        let peer = peer(request);
        let admitted = keyring.admit(shown, scopes, peer, now);
        let key = admitted.map_err(|refusal| refused(refusal, scopes, peer))?;
        request.extensions_mut().insert(Caller(key));
        Ok(())
    }
}

/// The secret in `Authorization: Bearer <secret>`. Another scheme shows none.
fn shown(headers: &HeaderMap) -> Result<Option<&[u8]>, Problem> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = given.next() else { return Ok(None) };
    if given.next().is_some() {
        let detail = "there must be one Authorization header";
        return Err(Problem::new(Code::MalformedRequest, detail));
    }
    let value = value.as_bytes();
    let scheme = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, secret) = value.split_at(scheme);
    Ok(scheme.eq_ignore_ascii_case(b"Bearer").then(|| secret.trim_ascii()))
}

/// Who is at the other end of the connection; behind a proxy, the proxy.
fn peer(request: &Request) -> IpAddr {
    match request.remote_addr().0 {
        Addr::SocketAddr(peer) => peer.ip(),
        _ => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// The reason why a request is not let in, for the log. The words are made when the reason is logged: if they were made for
/// every refusal, the time that a refusal takes would tell whether there is a key of that name.
#[derive(Debug, thiserror::Error)]
struct NotLetIn {
    refusal: Refusal,
    peer: IpAddr,
}

impl Display for NotLetIn {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { refusal, peer } = self;
        let named = |key: &Option<KeyId>| key.map(|key| format!(" {key}")).unwrap_or_default();
        match refusal {
            Refusal::Unreadable => f.write_str("the keys cannot be read"),
            Refusal::Missing => write!(f, "{peer} showed no key"),
            Refusal::Bad { key, why } => {
                write!(f, "{peer} showed a key{} that does not count: {why}", named(key))
            }
            Refusal::TooManyFailures { key, .. } => {
                write!(f, "{peer} showed too many keys that do not count, now{}", named(key))
            }
            Refusal::TooFast { key, .. } => write!(f, "the key {key} has made too many requests"),
            Refusal::Scope { key } => {
                write!(f, "the key {key} of {peer} has none of the scopes that this request needs")
            }
        }
    }
}

/// What a caller is told who is not let in. Why a key does not count is told to the log only.
fn refused(refusal: Refusal, scopes: Scopes, peer: IpAddr) -> Problem {
    let unauthorized = |code, detail: &str, challenge| {
        Problem::new(code, detail)
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    };
    let problem = match refusal {
        Refusal::Unreadable => {
            let detail = "the keys cannot be read, so nobody is let in at the moment";
            Problem::new(Code::KeysUnreadable, detail)
        }
        Refusal::Missing => unauthorized(
            Code::ApiKeyMissing,
            "this takes a key: Authorization: Bearer <secret>",
            "Bearer realm=\"onrecord\"",
        ),
        Refusal::Bad { .. } => unauthorized(
            Code::ApiKeyInvalid,
            "the API key is invalid: it is unknown, has expired or was revoked",
            "Bearer realm=\"onrecord\", error=\"invalid_token\"",
        ),
        Refusal::TooManyFailures { wait, .. } => too_many(
            Code::TooManyInvalidKeys,
            "too many invalid API keys came from this address",
            wait,
        ),
        Refusal::TooFast { wait, .. } => too_many(
            Code::TooManyRequests,
            "this key has made too many requests for the moment",
            wait,
        ),
        Refusal::Scope { .. } => {
            let names: Vec<_> = scopes.iter().map(access::Scope::name).collect();
            let detail = format!("this takes a key with the scope {}", names.join(" or "));
            let challenge = format!(
                "Bearer realm=\"onrecord\", error=\"insufficient_scope\", scope=\"{scopes}\""
            );
            let problem = Problem::new(Code::ScopeMissing, detail);
            match HeaderValue::try_from(challenge) {
                Ok(challenge) => problem.with(header::WWW_AUTHENTICATE, challenge),
                Err(_) => problem,
            }
        }
    };
    problem.because(NotLetIn { refusal, peer })
}

/// 429: try again after this time, in whole seconds.
pub(crate) fn too_many(code: Code, detail: &str, wait: Duration) -> Problem {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Problem::new(code, detail).with(header::RETRY_AFTER, seconds.max(1).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&'static [u8]]) -> HeaderMap {
        let values = values.iter().map(|value| HeaderValue::from_bytes(value).unwrap());
        values.map(|value| (header::AUTHORIZATION, value)).collect()
    }

    #[test]
    fn a_secret_is_shown_as_a_bearer_token_and_in_no_other_way() {
        for (value, secret) in [
            (&b"Bearer x"[..], Some(&b"x"[..])),
            (b"bEARER   x ", Some(b"x")),
            (b"Bearer", Some(b"")),
            (b"Bearer \xff", Some(b"\xff")),
            (b"Bearer x, Bearer y", Some(b"x, Bearer y")),
            (b"Bearerx", None),
            (b"Bearer\tx", None),
            (b"Basic x", None),
            (b"x", None),
            (b"", None),
        ] {
            assert_eq!(shown(&headers(&[value])).unwrap(), secret, "{value:?}");
        }
        assert_eq!(shown(&HeaderMap::new()).unwrap(), None);
        let twice = shown(&headers(&[b"Bearer x", b"Bearer x"])).unwrap_err();
        assert_eq!(twice.status(), 400);
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_as_none() {
        for (wait, seconds) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2")] {
            let problem = too_many(Code::TooManyRequests, "", Duration::from_millis(wait));
            let response = poem::IntoResponse::into_response(problem);
            assert_eq!(response.headers()[header::RETRY_AFTER], seconds);
        }
    }
}
