//! Addresses without the part that may hold a password.

use std::borrow::Cow;

/// Returns an address without what stands before its last `@`, the scheme apart.
pub(super) fn without_userinfo(url: &str) -> Cow<'_, str> {
    let Some((user, address)) = url.rsplit_once('@') else { return url.into() };
    match user.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://{address}").into(),
        None => address.into(),
    }
}
