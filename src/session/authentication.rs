//! What is known when the venue rejects a request as not authenticated.

use std::fmt;

/// The venue rejected a request as not authenticated.
///
/// The venue uses the same words for a bad token, a key of the wrong kind and an unknown channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct AuthenticationFailure {
    /// Whether the requests carried tokens.
    pub had_token: bool,
    /// Whether the requests are repeated without a token.
    pub retries_without_token: bool,
    /// How far the venue's clock was ahead of this machine's at the handshake, in seconds, if the
    /// venue reported its time.
    pub clock_offset_s: Option<i64>,
}

/// How far the clocks may be apart, in seconds, before tokens are likely to suffer: they are valid
/// for two minutes, and the venue reports its time in whole seconds.
pub const CLOCK_TOLERANCE_S: u64 = 30;

impl AuthenticationFailure {
    /// Returns the likely causes, the likeliest first.
    pub fn likely_causes(&self) -> impl Iterator<Item = LikelyCause> + use<> {
        let far_off = self
            .clock_offset_s
            .filter(|offset| self.had_token && offset.unsigned_abs() > CLOCK_TOLERANCE_S);
        let clock = far_off.map(|offset_s| LikelyCause::Clock { offset_s });
        let key = if self.had_token { LikelyCause::Key } else { LikelyCause::NoToken };
        clock.into_iter().chain([key, LikelyCause::Channel])
    }
}

impl fmt::Display for AuthenticationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokens = if self.had_token { "a fresh token" } else { "no token" };
        write!(f, "the venue refuses requests with {tokens}, likely because ")?;
        for (index, cause) in self.likely_causes().enumerate() {
            write!(f, "{}{cause}", if index > 0 { ", or " } else { "" })?;
        }
        if self.retries_without_token {
            f.write_str("; asking again without a token")?;
        }
        Ok(())
    }
}

/// A likely cause of an [`AuthenticationFailure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LikelyCause {
    /// The venue does not know the channel.
    Channel,
    /// The clocks are apart, and tokens are not valid yet or no longer.
    Clock {
        /// How far the venue's clock is ahead of this machine's, in seconds.
        offset_s: i64,
    },
    /// The key is of the wrong kind, was revoked, or does not belong to its name.
    Key,
    /// The venue requires a token.
    NoToken,
}

impl fmt::Display for LikelyCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel => f.write_str("the channel is unknown"),
            Self::Clock { offset_s } => {
                let direction = if *offset_s > 0 { "behind" } else { "ahead of" };
                let seconds = offset_s.unsigned_abs();
                write!(f, "this machine's clock is {seconds} s {direction} the venue's")
            }
            Self::Key => f.write_str("the key is of a wrong kind or no longer valid"),
            Self::NoToken => f.write_str("a token is needed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(clock_offset_s: Option<i64>) -> AuthenticationFailure {
        AuthenticationFailure { had_token: true, retries_without_token: true, clock_offset_s }
    }

    #[test]
    fn the_clock_is_the_likeliest_cause_if_it_is_off() {
        let rest = [LikelyCause::Key, LikelyCause::Channel];
        for offset_s in [0, 30, -30] {
            assert!(failure(Some(offset_s)).likely_causes().eq(rest), "{offset_s} s");
        }
        assert!(failure(None).likely_causes().eq(rest));
        for offset_s in [31, -31, -7_200, i64::MIN] {
            let clock = LikelyCause::Clock { offset_s };
            let causes = failure(Some(offset_s)).likely_causes();
            assert!(causes.eq([clock, LikelyCause::Key, LikelyCause::Channel]), "{offset_s} s");
        }
        let mut bare = failure(Some(600));
        bare.had_token = false;
        assert!(bare.likely_causes().eq([LikelyCause::NoToken, LikelyCause::Channel]));
    }

    #[test]
    fn a_failure_names_its_likely_causes_and_what_is_tried_next() {
        let shown = failure(Some(600)).to_string();
        assert!(shown.contains("clock is 600 s behind the venue's"), "{shown}");
        assert!(shown.ends_with("asking again without a token"), "{shown}");
        assert!(failure(Some(-45)).to_string().contains("clock is 45 s ahead of the venue's"));
    }
}
