//! What every answer tells a browser that it must not do with it.

use poem::http::{HeaderMap, HeaderName, HeaderValue, header};

/// The policy of what is no page to look at: nothing of it may run or be loaded, and nobody may frame it.
pub(crate) const NOTHING: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

static CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// Protects an answer that has not said itself what may be done with it: it is data, not to be kept or taken for a page.
///
/// Every answer pays for each of these, so there are no more: `frame-ancestors` replaces `X-Frame-Options`; nothing leads
/// away from data, as `Referrer-Policy` says of pages; and what must not be taken for anything but JSON cannot be loaded
/// by other sites' pages, which `Cross-Origin-Resource-Policy` would say once more.
pub(crate) fn protect(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        return;
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, NOTHING);
}

/// Protects a page that is always the same, which runs under this policy.
pub(crate) fn protect_page(headers: &mut HeaderMap, policy: HeaderValue) {
    let same_origin = HeaderValue::from_static("same-origin");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // For browsers that do not know `frame-ancestors`.
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(&CROSS_ORIGIN_RESOURCE_POLICY, same_origin);
}
