//! Load: clients that keep a service busy, in a closed loop or in an open one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::client::Client;
use crate::ledger::Outcome;
use crate::seed::Seed;

/// What is sent.
#[derive(Debug, Clone)]
pub(crate) struct Mix {
    /// One of so many requests is a batch; 0 for none.
    pub(crate) one_batch_of: u32,
    /// How many rows a batch has, at least and at most.
    pub(crate) batch: (u16, u16),
    /// The share of requests with a key, and the head of their keys.
    pub(crate) keyed: Option<(f64, String)>,
}

impl Mix {
    /// Mostly single rows, a quarter batches of 2 to 50, without keys.
    pub(crate) fn ordinary() -> Self {
        Self { one_batch_of: 4, batch: (2, 50), keyed: None }
    }

    fn draw(&self, client: &Client, random: &mut ChaCha8Rng) -> crate::attempt::Attempt {
        let is_batch = self.one_batch_of > 0 && random.random_ratio(1, self.one_batch_of);
        let rows = if is_batch { random.random_range(self.batch.0..=self.batch.1) } else { 1 };
        let key = self.keyed.as_ref().filter(|(share, _)| random.random_bool(*share));
        client.ledger().attempt(rows, key.map(|(_, head)| head.as_str()))
    }
}

/// Clients at work.
#[derive(Debug)]
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<anyhow::Result<()>>,
    client: Client,
}

impl Load {
    /// This many clients, each sending one request after the other.
    pub(crate) fn closed(client: &Client, clients: usize, mix: &Mix, seed: Seed) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for number in 0..clients {
            let (client, mix, stop) = (client.clone(), mix.clone(), Arc::clone(&stop));
            let mut random = seed.stream(&format!("client {number}"));
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let attempt = mix.draw(&client, &mut random);
                    match client.send(&attempt).await? {
                        Outcome::Acknowledged(..) => {}
                        // It was told to come back later, or nobody is there.
                        _ => sleep(Duration::from_millis(random.random_range(10..40))).await,
                    }
                }
                Ok(())
            });
        }
        Self { stop, tasks, client: client.clone() }
    }

    /// Requests at this rate, whether or not earlier ones are answered, at most `outstanding` of them at once.
    pub(crate) fn open(
        client: &Client,
        per_second: f64,
        outstanding: usize,
        mix: &Mix,
        seed: Seed,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        let (sender, mix, ended) = (client.clone(), mix.clone(), Arc::clone(&stop));
        let mut random = seed.stream("open loop");
        tasks.spawn(async move {
            let mut under_way = JoinSet::new();
            let started = Instant::now();
            let mut tick = interval(Duration::from_millis(5));
            tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
            let mut sent = 0.0;
            while !ended.load(Ordering::Relaxed) {
                tick.tick().await;
                let due = started.elapsed().as_secs_f64() * per_second;
                while sent < due {
                    sent += 1.0;
                    while under_way.try_join_next().is_some() {}
                    if under_way.len() >= outstanding {
                        continue;
                    }
                    let attempt = mix.draw(&sender, &mut random);
                    let sender = sender.clone();
                    under_way.spawn(async move { sender.send(&attempt).await });
                }
            }
            under_way.join_all().await.into_iter().try_for_each(|sent| sent.map(drop))
        });
        Self { stop, tasks, client: client.clone() }
    }

    /// Waits until this many more requests are acknowledged.
    pub(crate) async fn acknowledged(&self, more: usize) -> anyhow::Result<()> {
        let mut count = self.client.ledger().acknowledged();
        let goal = *count.borrow() + more;
        timeout(Duration::from_secs(60), count.wait_for(|count| *count >= goal))
            .await
            .context("the service acknowledges nothing more")?
            .context("every client has ended")?;
        Ok(())
    }

    /// Tells the clients to end and waits until each has its last answer.
    pub(crate) async fn finish(mut self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a client has panicked")??;
        }
        Ok(())
    }
}
