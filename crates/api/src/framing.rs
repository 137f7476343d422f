//! How a request says where its body ends.

use poem::Request;
use poem::http::header;

use crate::problem::{Code, Problem};

/// Refuses a body in other transfer codings than chunks, once: hyper looks at the last coding alone, and a proxy that looks at
/// all of them would find another end. The connection ends.
pub(crate) fn check(request: &Request) -> Result<(), Problem> {
    let mut codings = request.headers().get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => {
            let detail = "the one transfer coding that there may be is chunked";
            Err(Problem::new(Code::MalformedRequest, detail).closing())
        }
    }
}
