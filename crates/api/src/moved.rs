//! Addresses that lead to others: the first one, and those with a slash too many.

use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Request, Response};

use crate::contract::Contract;
use crate::problem::Problem;

/// The page that the first address leads to.
const FIRST: &str = "docs";

/// Answers a request for an address that nothing is served at: by the way to what it means, if that is clear, else by 404.
///
/// The ways are relative, so that they are right behind a proxy that serves this under a path of its own, and they never lead
/// to another host.
pub(crate) fn answer(contract: &Contract, request: &Request) -> Result<Response, Problem> {
    let path = request.uri().path();
    if path == "/" {
        return match *request.method() {
            Method::GET | Method::HEAD => to(StatusCode::SEE_OTHER, FIRST),
            _ => Err(Problem::wrong_method(&HeaderValue::from_static("GET, HEAD"))),
        };
    }
    let meant = path.strip_suffix('/').filter(|path| contract.has(path));
    let Some((_, last)) = meant.and_then(|path| path.rsplit_once('/')) else {
        return Err(Problem::nowhere());
    };
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    to(StatusCode::PERMANENT_REDIRECT, &format!("../{last}{query}"))
}

fn to(status: StatusCode, way: &str) -> Result<Response, Problem> {
    // An address holds no byte that a header must not; if it did, nothing would be there.
    let way = HeaderValue::try_from(way).map_err(|_| Problem::nowhere())?;
    Ok(Response::builder().status(status).header(header::LOCATION, way).finish())
}
