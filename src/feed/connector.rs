//! Makes any number of links from one set of settings, checked once.

use super::config::FeedConfig;
use super::dial::{Dial, NetDialer};
use super::error::ConfigError;
use super::link::{Link, LinkConfig};
use super::signer::Signer;
use super::target::Target;
use crate::clock::random_seed;
use crate::rate_limiter::RateLimiter;
use crate::session::SessionConfig;

/// The checked settings of a feed.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    /// The settings of each session.
    pub(crate) session: SessionConfig,
    link: LinkConfig,
    dialer: NetDialer,
}

impl Connector {
    /// Checks the settings, and loads the roots if the address needs TLS.
    pub(crate) fn new(config: FeedConfig) -> Result<Self, ConfigError> {
        let target = Target::new(&config)?;
        let dialer = NetDialer::new(&target, &config.roots)?;
        let of_process = || (!target.is_this_machine()).then(RateLimiter::of_process);
        let signer = Signer {
            #[cfg(feature = "auth")]
            credentials: config.credentials,
        };
        let mut session = SessionConfig::new(config.products);
        session.aliases = config.aliases;
        session.policy = config.policy;
        session.max_products = config.max_products;
        session.authenticate = signer.has_key();
        session.seed = config.seed.unwrap_or_else(random_seed);
        let link = LinkConfig {
            rate_limiter: config.rate_limiter.or_else(of_process),
            target,
            max_message_bytes: config.max_message_bytes,
            signer,
        };
        Ok(Self { session, link, dialer })
    }

    /// Returns a link to the address of the settings.
    pub(crate) fn link(&self) -> Link {
        self.link_with(Box::new(self.dialer.clone()))
    }

    /// Returns a link that gets its connections from `dialer`.
    pub(crate) fn link_with(&self, dialer: Box<dyn Dial>) -> Link {
        Link::new(self.link.clone(), dialer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::feed::{COINBASE_URL, Roots};

    fn rate_limiter(url: &str, rate_limiter: Option<Arc<RateLimiter>>) -> Option<Arc<RateLimiter>> {
        let mut config = FeedConfig::new([]);
        config.url = url.to_owned();
        config.roots = Roots::Bundled;
        config.rate_limiter = rate_limiter;
        Connector::new(config).unwrap().link.rate_limiter
    }

    #[test]
    fn the_venue_is_dialled_at_the_pace_of_the_process_and_this_machine_at_none() {
        let of_process = RateLimiter::of_process();
        let is_of_process = |rate_limiter: Option<Arc<RateLimiter>>| {
            Arc::ptr_eq(&rate_limiter.unwrap(), &of_process)
        };
        assert!(is_of_process(rate_limiter(COINBASE_URL, None)));
        assert!(is_of_process(rate_limiter("wss://203.0.113.7:8443/", None)));
        assert!(rate_limiter("ws://127.0.0.1:9001/", None).is_none());
        let own = Arc::new(RateLimiter::new());
        for url in [COINBASE_URL, "ws://localhost/"] {
            assert!(Arc::ptr_eq(&rate_limiter(url, Some(Arc::clone(&own))).unwrap(), &own));
        }
    }
}
