//! Which proxy to connect through.

use std::fmt;

#[cfg(feature = "serde")]
use super::userinfo::without_userinfo;

/// The proxy to connect through.
///
/// Its `Debug` output omits the address, which may hold a password. Its serialised form omits user
/// and password.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Proxy {
    /// The proxy in `HTTPS_PROXY`, or else in `ALL_PROXY`, unless `NO_PROXY` lists the host. Each
    /// variable may also be lower case. Addresses of this machine are always dialled directly.
    #[default]
    Environment,
    /// No proxy.
    None,
    /// This proxy: `http://host:port` for `CONNECT`, or `socks5://host:port`. A proxy that asks for
    /// a password takes it as `user:password@` before the host.
    Url(#[cfg_attr(feature = "serde", serde(serialize_with = "without_password"))] String),
}

/// Serialises the address of a proxy without user and password.
#[cfg(feature = "serde")]
fn without_password<S: serde::Serializer>(url: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&without_userinfo(url))
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "Environment",
            Self::None => "None",
            Self::Url(_) => "Url([redacted])",
        })
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_serialised() {
        for (url, expected) in [
            ("http://proxy.example:8080", "http://proxy.example:8080"),
            ("http://user:hunter2@proxy.example/", "http://proxy.example/"),
            ("socks5://user:hun@ter2@[::1]:9050", "socks5://[::1]:9050"),
            ("user:hunter2@proxy.example:8080", "proxy.example:8080"),
            ("proxy.example:8080", "proxy.example:8080"),
        ] {
            let written = serde_json::to_value(Proxy::Url(url.to_owned())).unwrap();
            assert_eq!(written, serde_json::json!({ "url": expected }));
        }
    }
}
