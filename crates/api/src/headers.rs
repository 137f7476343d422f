//! What every answer tells a browser that it must not do with it.

use poem::http::{HeaderMap, HeaderName, HeaderValue, header};
use poem::{Endpoint, EndpointExt};

static CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// Nothing of it may run or be loaded, and nobody may frame it.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

/// Protects an answer, and the data in it unless the answer has said more of itself.
///
/// Each of these is paid for with every answer. So `Referrer-Policy` is for pages alone: nothing leads away from data. Nor is
/// `X-Frame-Options` here, which `frame-ancestors` replaces, or `Server`, which would only help an attacker. Two headers
/// beside these six, and the map would have to grow.
pub(crate) fn protect(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(&CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(NOTHING));
}

/// A page that runs under this policy.
pub(crate) fn for_page(page: impl Endpoint, policy: HeaderValue) -> impl Endpoint {
    page.map_to_response().map(move |mut page| {
        let policy = policy.clone();
        async move {
            let headers = page.headers_mut();
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
            headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
            // For browsers that do not know `frame-ancestors`.
            headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
            page
        }
    })
}
