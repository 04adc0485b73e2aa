//! The settings of a server.

use super::script::Script;
#[cfg(feature = "tls")]
use super::tls::ServerTls;
use crate::exchange::ExchangeConfig;
use crate::fault::FaultPlan;

/// The default of [`ServerConfig::max_connections`].
const DEFAULT_MAX_CONNECTIONS: usize = 256;

/// The settings of a [`Server`](crate::Server).
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The exchange behind the server.
    pub exchange: ExchangeConfig,
    /// The faults between the exchange and its clients; every connection gets a fork of its own.
    /// The default is none.
    pub faults: FaultPlan,
    /// The faults below the frames: the first script is for the first connection that is accepted,
    /// and so on. Connections beyond the last are served without faults. The default is none.
    pub scripts: Vec<Script>,
    /// The most connections served at a time; further ones are closed at once. The default is 256.
    pub max_connections: usize,
    /// The certificate of the server, which then speaks `wss://`. The default is `None`: it speaks
    /// `ws://`.
    #[cfg(feature = "tls")]
    pub tls: Option<ServerTls>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            exchange: ExchangeConfig::default(),
            faults: FaultPlan::none(),
            scripts: Vec::new(),
            max_connections: DEFAULT_MAX_CONNECTIONS,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}
