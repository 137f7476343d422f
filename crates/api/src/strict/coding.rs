//! How a body is declared: its media type, and whether it is compressed.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use poem::Request;
use poem::http::header;

use super::room::Room;
use super::{LONGEST, too_long};
use crate::json;
use crate::problem::{Code, Problem};

/// How a body is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Plain,
    Gzip,
}

impl Coding {
    /// The coding of a body that is declared as JSON.
    pub(super) fn of(request: &Request) -> Result<Self, Problem> {
        let refuse = |detail: &str| Err(Problem::new(Code::UnsupportedMediaType, detail));
        let mut declared = request.headers().get_all(header::CONTENT_TYPE).iter();
        let text = declared.next().and_then(|value| value.to_str().ok());
        let (media_type, parameters) =
            text.map_or(("", ""), |it| it.split_once(';').unwrap_or((it, "")));
        if !media_type.trim().eq_ignore_ascii_case(json::CONTENT_TYPE) || declared.next().is_some()
        {
            return refuse("the body must be declared as Content-Type: application/json");
        }
        if !parameters.is_empty() && !parameters.split(';').all(is_harmless) {
            return refuse("the body must be in UTF-8, as JSON always is");
        }
        let mut encodings = request.headers().get_all(header::CONTENT_ENCODING).iter();
        let mut coding = Self::Plain;
        for encoding in &mut encodings {
            let is = |name: &str| encoding.as_bytes().eq_ignore_ascii_case(name.as_bytes());
            if is("identity") {
                continue;
            }
            if coding == Self::Gzip || !(is("gzip") || is("x-gzip")) {
                let detail = "the body may be compressed once, by gzip, and in no other way";
                return Err(Problem::new(Code::UnsupportedEncoding, detail));
            }
            coding = Self::Gzip;
        }
        Ok(coding)
    }
}

/// Whether a parameter of the media type changes nothing: JSON has one encoding, of which ASCII is a part, and no other
/// parameter.
fn is_harmless(parameter: &str) -> bool {
    let parameter = parameter.trim().to_ascii_lowercase();
    parameter.strip_prefix("charset=").is_none_or(|charset| {
        matches!(charset.trim_matches('"'), "utf-8" | "utf8" | "us-ascii" | "ascii")
    })
}

/// Takes a compressed body apart, as far as the longest body goes: what it becomes takes room too.
pub(super) fn decompress(body: &[u8], room: &mut Room) -> Result<Vec<u8>, Problem> {
    const PIECE: usize = 64 << 10;
    let mut decoder = MultiGzDecoder::new(body);
    let mut plain = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        let length = decoder.read(&mut piece).map_err(|error| {
            Problem::new(Code::MalformedBody, "the body is not what gzip writes").because(error)
        })?;
        if length == 0 {
            return Ok(plain);
        }
        if (plain.len() + length) as u64 > LONGEST {
            return Err(too_long());
        }
        if !room.take(length) {
            return Err(Problem::overloaded("too many large bodies are being received"));
        }
        plain.extend_from_slice(&piece[..length]);
    }
}

#[cfg(test)]
mod tests {
    use super::is_harmless;

    #[test]
    fn parameters_that_change_nothing_are_passed_over() {
        for parameter in [
            "",
            " charset=utf-8",
            "charset=\"UTF-8\"",
            "charset=utf8",
            "charset=us-ascii",
            "odata=verbose",
            "version=1",
        ] {
            assert!(is_harmless(parameter), "{parameter}");
        }
        for parameter in ["charset=utf-16", "charset=latin1", "charset="] {
            assert!(!is_harmless(parameter), "{parameter}");
        }
    }
}
