//! A feed against an exchange that breaks a connection within a frame, answers a dial with a
//! status, and falls silent: what a bot ought to come through, tried on demand.
//!
//! ```sh
//! cargo run --example scripted_exchange
//! ```

use std::time::Duration;

use level2::session::{Disconnect, SessionEvent};
use level2::{Feed, FeedConfig};
use level2_sim::{Answer, Script, Server, ServerConfig, Step};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::start(ServerConfig {
        scripts: vec![
            Script::new([Step::Serve(5), Step::Bytes(vec![0x81, 100]), Step::Fin]),
            Script::new([Step::Answer(Answer::status(429).header("Retry-After", "1"))]),
            Script::new([Step::Serve(5), Step::Hold]),
        ],
        ..ServerConfig::default()
    })
    .await?;

    let mut config = FeedConfig::new(["BTC-USD".parse()?]);
    config.url = server.url();
    config.policy.idle_timeout = Duration::from_millis(300);
    config.policy.backoff_max = Duration::from_millis(50);
    config.policy.max_retry_after = Duration::from_millis(100);
    let mut feed = Feed::new(config)?;
    let mut reasons = Vec::new();
    while reasons.len() < 3 {
        if let SessionEvent::Disconnected { reason } = feed.next().await? {
            // No reader finds a book that may be wrong.
            assert!(feed.session().book("BTC-USD").is_err());
            println!("no book: {reason}");
            reasons.push(reason);
        }
    }
    assert!(matches!(reasons[0], Disconnect::Transport(_)));
    assert!(matches!(reasons[1], Disconnect::Rejected { status: 429, .. }));
    assert!(matches!(reasons[2], Disconnect::Idle(_)));
    feed.synced().await?;
    println!("live again: {:?}", feed.session().book("BTC-USD")?.best_bid());
    Ok(())
}
