//! Whom a request is meant for: proxies that disagree on it can be played off against each other.

use poem::Request;
use poem::http::{Method, Version, header};

use crate::problem::{Code, Problem};

/// Refuses a request that does not say whom it is meant for in the one way that RFC 9112, section 3.2, leaves open, and
/// one that is meant for another server behind this one. The connection ends.
pub(crate) fn check(request: &Request) -> Result<(), Problem> {
    let refuse = |detail: &str| Err(Problem::new(Code::MalformedRequest, detail).closing());
    if request.method() == Method::CONNECT {
        return refuse("this service connects to nobody");
    }
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    if authority.is_some_and(|authority| !is_valid(authority)) {
        return refuse("the authority is not a name with or without a port");
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        // An address with an authority overrules the header in HTTP/1.1; in HTTP/2 both are there for the same.
        (Some(host), None) if is_valid(host.as_bytes()) => match authority {
            Some(authority)
                if request.version() == Version::HTTP_2
                    && !authority.eq_ignore_ascii_case(host.as_bytes()) =>
            {
                refuse("the Host header differs from the authority")
            }
            _ => Ok(()),
        },
        (Some(_), None) => refuse("the Host header is not a name with or without a port"),
        (Some(_), Some(_)) => refuse("there must be one Host header"),
        // HTTP/2 has an authority of its own, and HTTP/1.0 needs none.
        (None, _) if request.version() != Version::HTTP_11 => Ok(()),
        (None, _) => refuse("the Host header is missing"),
    }
}

/// Whether this is `uri-host [ ":" port ]` (RFC 3986, section 3.2.2).
fn is_valid(host: &[u8]) -> bool {
    let after_name = if let [b'[', address @ ..] = host {
        let of_address = |byte: u8| is_of_name(byte) || byte == b':';
        match until(address, of_address) {
            ([_, ..], [b']', rest @ ..]) => rest,
            _ => return false,
        }
    } else {
        until(host, is_of_name).1
    };
    match after_name {
        [] => true,
        [b':', port @ ..] => port.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// The longest beginning of such bytes, and the rest.
fn until(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !belongs(*byte)).unwrap_or(bytes.len());
    bytes.split_at(end)
}

const fn is_of_name(byte: u8) -> bool {
    // Looked up, as every request has a host.
    const OF_NAME: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0_u8;
        while byte < 128 {
            table[byte as usize] = byte.is_ascii_alphanumeric()
                || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\'')
                || matches!(byte, b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=');
            byte += 1;
        }
        table
    };
    OF_NAME[byte as usize]
}

#[cfg(test)]
mod tests {
    use super::is_valid;

    #[test]
    fn hosts_are_names_with_or_without_a_port() {
        for host in ["", "x", "127.0.0.1:8000", "a-b.example:", "[::1]", "[::1]:80", "x%20y", ":1"]
        {
            assert!(is_valid(host.as_bytes()), "{host}");
        }
        for host in ["a b", "x,y/z", "a@b", "x:y", "x:1:2", "[::1", "::1]", "[]", "[::1]x", "é"] {
            assert!(!is_valid(host.as_bytes()), "{host}");
        }
    }
}
