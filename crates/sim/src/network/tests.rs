//! A network does what its rates say, and reports it as sockets do.

use std::time::Duration;

use super::*;
use crate::ended::Ended;
use crate::exchange::{Exchange, ExchangeConfig};
use crate::fault::{Fault, FaultCounts, FaultRates};
use crate::market::ProductSpec;

const SUBSCRIBE: &str = r#"{"type":"subscribe","product_ids":["BTC-USD"],"channel":"level2"}"#;

fn exchange() -> Exchange {
    Exchange::new(ExchangeConfig {
        products: vec![ProductSpec::btc_usd().levels(10)],
        ..ExchangeConfig::default()
    })
}

/// Runs a client that dials once, subscribes and then only listens, for this long.
fn listen(rates: NetworkRates, length: Duration) -> (Network, Vec<(Duration, NetworkEvent)>) {
    let (mut exchange, mut network) = (exchange(), Network::new(3, rates));
    let mut events = Vec::new();
    network.dial(Duration::ZERO);
    let mut now = Duration::ZERO;
    while now < length {
        exchange.advance(now);
        while let Some(event) = network.poll(&mut exchange, now) {
            if event == NetworkEvent::Opened {
                network.send(now, SUBSCRIBE.to_owned());
            }
            events.push((now, event));
        }
        let due = network.next_due().unwrap_or(length).min(exchange.next_due());
        now = due.max(now + Duration::from_micros(1));
    }
    (network, events)
}

fn messages(events: &[(Duration, NetworkEvent)]) -> Vec<(Duration, NetworkMessage)> {
    let message = |(at, event): &(Duration, NetworkEvent)| match event {
        NetworkEvent::Message(message) => Some((*at, message.clone())),
        NetworkEvent::Opened | NetworkEvent::Closed(_) => None,
    };
    events.iter().filter_map(message).collect()
}

#[test]
fn without_faults_every_frame_arrives_in_order_and_within_the_latency() {
    let (network, events) = listen(NetworkRates::default(), Duration::from_secs(20));
    assert_eq!(events[0].1, NetworkEvent::Opened);
    let messages = messages(&events);
    assert!(messages.len() > 100);
    for (index, (_, message)) in messages.iter().enumerate() {
        let mark = Mark { epoch: 0, sequence: index as u64 };
        assert_eq!((message.mark, message.is_intact), (Some(mark), true));
    }
    assert!(messages.is_sorted_by_key(|(at, _)| *at));
    assert_eq!((network.counts().faults(), network.counts().dials), (0, 1));
}

#[test]
fn what_is_not_intact_is_not_what_was_sent() {
    let faults = FaultRates { garble_ppm: 300_000, split_ppm: 100_000, ..Default::default() };
    let rates = NetworkRates { faults, ..NetworkRates::default() };
    let (mut exchange, mut network) = (exchange(), Network::new(3, rates));
    let (mut sent, mut damaged) = (Vec::new(), 0);
    network.dial(Duration::ZERO);
    for now in (0..20_000).map(Duration::from_millis) {
        exchange.advance(now);
        while let Some(event) = network.poll_watching(&mut exchange, now, |_, frame, _| {
            sent.push(frame.text.clone().into_bytes());
        }) {
            match event {
                NetworkEvent::Opened => network.send(now, SUBSCRIBE.to_owned()),
                NetworkEvent::Message(message) => {
                    damaged += u64::from(!message.is_intact);
                    let sequence = message.mark.unwrap().sequence as usize;
                    assert_eq!(sent[sequence] == message.bytes, message.is_intact);
                }
                NetworkEvent::Closed(reason) => panic!("{reason:?}"),
            }
        }
    }
    let FaultCounts { garbles, splits, .. } = network.counts().faults;
    assert!(garbles > 10 && splits > 10);
    assert!(damaged <= garbles + 2 * splits && damaged >= garbles + splits);
}

#[test]
fn a_clogged_network_delivers_everything_late_and_at_once() {
    let rates = NetworkRates { clog_ppm: 10_000, ..NetworkRates::default() };
    let (network, events) = listen(rates, Duration::from_secs(60));
    assert!(network.counts().clogs > 0);
    let messages = messages(&events);
    let sequences = messages.iter().map(|(_, message)| message.mark.unwrap().sequence);
    assert!(sequences.eq(0..messages.len() as u64), "nothing is lost");
    let bursts = messages.windows(5).filter(|five| five[0].0 == five[4].0).count();
    assert!(bursts > 0, "much comes at once");
}

#[test]
fn in_a_partition_nothing_gets_through_and_the_exchange_does_not_learn_of_an_end() {
    let (mut exchange, mut network) = (exchange(), Network::new(1, NetworkRates::default()));
    let at = Duration::from_millis;
    network.dial(at(0));
    assert_eq!(network.poll(&mut exchange, at(100)), Some(NetworkEvent::Opened));
    network.send(at(100), SUBSCRIBE.to_owned());
    network.partition(at(5_000));
    exchange.advance(at(1_000));
    assert_eq!(network.poll(&mut exchange, at(1_000)), None, "the request waits");
    assert_eq!(exchange.counts().requests, 0);
    network.hang_up(&mut exchange, at(1_000));
    network.dial(at(1_200));
    assert_eq!(network.poll(&mut exchange, at(4_900)), None, "nobody answers the dial");
    assert_eq!(exchange.connections().count(), 1, "the old connection looks open");
    assert_eq!(network.poll(&mut exchange, at(5_000)), None);
    assert_eq!(exchange.connections().count(), 0);
    network.hang_up(&mut exchange, at(6_000));
    network.dial(at(6_000));
    assert_eq!(network.poll(&mut exchange, at(6_100)), Some(NetworkEvent::Opened));
}

#[test]
fn connections_end_as_sockets_report_it() {
    let closing = NetworkRates { close_ppm: 1_000_000, ..NetworkRates::default() };
    let (network, events) = listen(closing, Duration::from_secs(10));
    let last = &events.last().unwrap().1;
    assert!(matches!(last, NetworkEvent::Closed(Ended::Closed { .. })), "{last:?}");
    assert!(network.connection().is_none());

    let aborting = FaultRates { abort_ppm: 1_000_000, ..FaultRates::default() };
    let (_, events) = listen(NetworkRates { faults: aborting, ..closing }, Duration::from_secs(10));
    let last = &events.last().unwrap().1;
    assert!(matches!(last, NetworkEvent::Closed(Ended::Reset)), "{last:?}");
}

#[test]
fn dials_fail_as_the_rates_say() {
    let dial = |rates| {
        let (mut exchange, mut network) = (exchange(), Network::new(1, rates));
        network.dial(Duration::ZERO);
        network.poll(&mut exchange, Duration::from_secs(1))
    };
    let none = NetworkRates::default();
    let refused = dial(NetworkRates { dial_refused_ppm: 1_000_000, ..none });
    assert_eq!(refused, Some(NetworkEvent::Closed(Ended::Refused)));
    let rejected = dial(NetworkRates { dial_rejected_ppm: 1_000_000, ..none });
    assert!(matches!(rejected, Some(NetworkEvent::Closed(Ended::Rejected { .. }))));
    assert_eq!(dial(NetworkRates { dial_lost_ppm: 1_000_000, ..none }), None);
    assert_eq!(dial(none), Some(NetworkEvent::Opened));
}

#[test]
fn a_swarm_holds_quiet_seeds_seeds_of_one_kind_and_of_many() {
    let kinds = |seed| {
        let mut rates = NetworkRates::swarm(seed);
        rates.kinds().iter().filter(|(ppm, _)| **ppm > 0).count()
    };
    let counts: Vec<usize> = (0..800).map(kinds).collect();
    let share = |wanted: fn(usize) -> bool| counts.iter().filter(|c| wanted(**c)).count();
    assert!((60..150).contains(&share(|count| count == 0)));
    assert!((140..260).contains(&share(|count| count == 1)));
    assert!(share(|count| count > 5) > 300);
    assert_eq!(NetworkRates::swarm(5), NetworkRates::swarm(5));
}

/// Runs a client that subscribes, with something that happens to its network after two seconds.
fn listen_and(happens: impl FnOnce(&mut Network)) -> (Network, Vec<(Duration, NetworkEvent)>) {
    let (mut exchange, mut network) = (exchange(), Network::new(3, NetworkRates::default()));
    let (mut events, mut happens) = (Vec::new(), Some(happens));
    network.dial(Duration::ZERO);
    for now in (0..4_000).map(Duration::from_millis) {
        exchange.advance(now);
        if now >= Duration::from_secs(2)
            && let Some(happens) = happens.take()
        {
            happens(&mut network);
        }
        while let Some(event) = network.poll(&mut exchange, now) {
            if event == NetworkEvent::Opened {
                network.send(now, SUBSCRIBE.to_owned());
            }
            events.push((now, event));
        }
    }
    (network, events)
}

#[test]
fn a_fault_on_demand_strikes_the_next_frame_and_no_other() {
    for fault in [
        Fault::Drop,
        Fault::Duplicate,
        Fault::Reorder,
        Fault::Garble,
        Fault::Truncate,
        Fault::Abort,
        Fault::Stall,
        Fault::Reset,
        Fault::Split,
    ] {
        let (network, events) = listen_and(|network| {
            network.strike_next(fault);
            assert_eq!(network.next_fault(), Some(fault));
        });
        let FaultCounts { frames, .. } = network.counts().faults;
        assert_eq!((network.next_fault(), network.counts().faults()), (None, 1), "{fault:?}");
        let messages = messages(&events);
        let marks = || messages.iter().map(|(_, message)| message.mark.unwrap());
        let in_order = marks()
            .zip(marks().skip(1))
            .all(|(one, next)| next.epoch == one.epoch && next.sequence == one.sequence + 1);
        let damaged = messages.iter().filter(|(_, message)| !message.is_intact).count();
        let last = &events.last().unwrap().1;
        match fault {
            Fault::Drop => assert_eq!(frames - 1, messages.len() as u64),
            Fault::Duplicate => {
                let twice = marks().zip(marks().skip(1)).filter(|(one, next)| one == next);
                assert_eq!(twice.count(), 1);
            }
            Fault::Reorder => assert!(!marks().is_sorted()),
            Fault::Garble | Fault::Truncate => assert!(in_order && damaged == 1),
            Fault::Split => assert!(!in_order && damaged == 2),
            Fault::Abort => assert_eq!(*last, NetworkEvent::Closed(Ended::Reset)),
            Fault::Stall => assert!(events.last().unwrap().0 < Duration::from_millis(2_200)),
            Fault::Reset => assert!(marks().any(|mark| mark == Mark { epoch: 1, sequence: 0 })),
        }
    }
}

#[test]
fn a_break_loses_what_would_arrive_after_it() {
    let at = Duration::from_millis(2_005);
    let (network, events) = listen_and(|network| network.break_at(at));
    let (last, before) = events.split_last().unwrap();
    assert_eq!(*last, (at, NetworkEvent::Closed(Ended::Reset)));
    assert!(before.iter().all(|(arrived, _)| *arrived <= at));
    assert_eq!((network.counts().faults.aborts, network.counts().faults()), (1, 1));
    assert!(network.connection().is_none());
}

#[test]
#[should_panic(expected = "there is no connection to break")]
fn a_network_without_a_connection_cannot_be_broken() {
    Network::new(1, NetworkRates::default()).break_at(Duration::ZERO);
}
