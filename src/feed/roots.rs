//! Which certificate authorities to trust.

/// The certificate authorities that a server's certificate must chain to.
///
/// Every certificate is checked: no variant turns that off.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Roots {
    /// The roots bundled with this library: those of Mozilla.
    Bundled,
    /// These certificates only, each in DER.
    Custom(Vec<Vec<u8>>),
    /// The roots of the operating system, or the bundled ones if it has none.
    Platform,
    /// The roots of the operating system only. If it has none, the settings are rejected with
    /// [`ConfigError::Roots`](super::ConfigError::Roots).
    PlatformOnly,
}
