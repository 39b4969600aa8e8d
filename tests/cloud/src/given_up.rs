//! Reads that are given up, as those beside a user function that returns before them.

use std::time::Duration;

use jointlambda::{
    backend::{NewRow, Table},
    id::{Incarnation, RowKey, RunId},
};

use crate::tunnel::Tunnel;

const ROUNDS: u32 = 20;
/// Within this time the read has ended, mostly.
const SETTLED: Duration = Duration::from_millis(20);
/// One for the read and one for the write that comes beside it; and some for a slow machine, where more
/// than one read is still under way.
const CONNECTIONS: usize = 6;

/// A row is read, the read is given up once it has been asked for, and a row is written, again and again:
/// that takes no connection each time.
///
/// # Panics
/// When it does, or when no read could be given up.
pub async fn keeps_its_connections(table: &dyn Table, tunnel: &Tunnel) {
    let (mut given_up, of) = (0, Incarnation::of(&RunId::derive("given-up", "once"), 1));
    for round in 0..ROUNDS {
        let key = RowKey::instance(&of, 0, &[round]);
        let read = table.get(&key);
        let function = async {
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            _ = read => {}
            () = function => given_up += 1,
        }
        let row = NewRow { expires_at: table.now() + 3_600_000, ..NewRow::default() };
        table.create(&key, row).await.expect("it is written");
        tokio::time::sleep(SETTLED).await;
    }
    assert!(given_up > ROUNDS / 2, "{given_up} of {ROUNDS} reads were given up");
    let opened = tunnel.opened();
    assert!(opened <= CONNECTIONS, "{opened} connections were opened for {ROUNDS} writes");
}
