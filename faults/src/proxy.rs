//! A proxy between the service and its PostgreSQL that delays, thins out, swallows and cuts what passes.

mod answers;
mod message;
mod questions;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use answers::Answers;
use questions::Questions;

/// What it does to every connection, in both directions; by default, nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Behaviour {
    /// By how much each piece of data is late.
    pub(crate) latency: Duration,
    /// How many bytes pass in a second, if that is limited.
    pub(crate) bytes_per_second: Option<u32>,
    /// Into pieces of at most this many bytes data is cut.
    pub(crate) slice: Option<usize>,
    /// Nothing passes, and nothing is closed.
    pub(crate) black_hole: bool,
}

/// A running proxy; ends when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    control: Arc<Control>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Control {
    target: SocketAddr,
    behaviour: watch::Sender<Behaviour>,
    /// How often every connection was cut.
    cuts: watch::Sender<u64>,
    /// One of so many answers to a commit is lost, and its connection with it; 0 for none.
    lose_one_of: AtomicU64,
    /// How many commits were answered, and of how many the answer was lost.
    commits: AtomicU64,
    lost: AtomicU64,
}

impl Proxy {
    /// Starts one in front of the server at this port.
    pub(crate) async fn start(target: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for the proxy")?;
        let port = listener.local_addr()?.port();
        let control = Arc::new(Control {
            target: SocketAddr::from(([127, 0, 0, 1], target)),
            behaviour: watch::Sender::default(),
            cuts: watch::Sender::default(),
            lose_one_of: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        });
        let shared = Arc::clone(&control);
        let task = tokio::spawn(async move {
            loop {
                if let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(connection(client, Arc::clone(&shared)));
                }
            }
        });
        Ok(Self { port, control, task })
    }

    /// From now on it behaves like this.
    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.control.behaviour.send_replace(behaviour);
    }

    /// Resets every connection that there is.
    pub(crate) fn cut(&self) {
        self.control.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// From now on the answer to one of so many commits never arrives; 0 for none.
    pub(crate) fn lose_answers(&self, one_of: u64) {
        self.control.lose_one_of.store(one_of, Ordering::Relaxed);
    }

    /// How many answers to a commit were lost.
    pub(crate) fn lost_answers(&self) -> u64 {
        self.control.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

impl Control {
    /// Whether the answer to the commit that has just been answered is to be lost.
    fn loses_this(&self) -> bool {
        let one_of = self.lose_one_of.load(Ordering::Relaxed);
        let number = self.commits.fetch_add(1, Ordering::Relaxed);
        let lost = one_of > 0 && number.is_multiple_of(one_of);
        if lost {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        lost
    }
}

async fn connection(client: TcpStream, control: Arc<Control>) {
    let mut cuts = control.cuts.subscribe();
    cuts.mark_unchanged();
    let Ok(server) = TcpStream::connect(control.target).await else {
        // As a port where nobody listens, as far as a proxy can.
        let _ = client.set_zero_linger();
        return;
    };
    let _ = client.set_nodelay(true).and(server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let writes = Arc::new(AtomicBool::new(false));
    let (mut questions, mut answers) = (Questions::new(Arc::clone(&writes)), Answers::new(writes));
    let reset = tokio::select! {
        _ = pump(from_client, &to_server, &control, |data| {
            questions.hear(data);
            (data.to_vec(), false)
        }) => false,
        reset = pump(from_server, &to_client, &control, |data| {
            answers.pass(data, || control.loses_this())
        }) => reset,
        _ = cuts.changed() => true,
    };
    if reset {
        let _ = to_client.as_ref().set_zero_linger();
    }
}

/// Carries one direction to its end, through a filter that says what passes and whether the connection ends with it;
/// gives whether it does.
async fn pump(
    mut from: OwnedReadHalf,
    to: &OwnedWriteHalf,
    control: &Control,
    mut filter: impl FnMut(&[u8]) -> (Vec<u8>, bool),
) -> bool {
    let (queue, mut queued) = mpsc::channel::<(Instant, Vec<u8>)>(1_024);
    let mut writing = pin!(async {
        while let Some((arrived, data)) = queued.recv().await {
            if carry(to, arrived, &data, control).await.is_err() {
                return;
            }
        }
    });
    let reading = async move {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(n @ 1..) = from.read(&mut buffer).await {
            let (passes, ends) = filter(&buffer[..n]);
            if queue.send((Instant::now(), passes)).await.is_err() || ends {
                return ends;
            }
        }
        false
    };
    let ends = tokio::select! {
        ends = reading => ends,
        () = &mut writing => return false,
    };
    writing.await;
    ends
}

async fn carry(
    to: &OwnedWriteHalf,
    arrived: Instant,
    data: &[u8],
    control: &Control,
) -> std::io::Result<()> {
    let mut behaviours = control.behaviour.subscribe();
    let behaviour = *behaviours.borrow_and_update();
    sleep_until(arrived + behaviour.latency).await;
    for piece in data.chunks(behaviour.slice.unwrap_or(usize::MAX)) {
        if let Some(rate) = behaviour.bytes_per_second {
            let bytes = u32::try_from(piece.len()).unwrap_or(u32::MAX);
            sleep(Duration::from_secs_f64(f64::from(bytes) / f64::from(rate))).await;
        } else if behaviour.slice.is_some() {
            tokio::task::yield_now().await;
        }
        // What is in the hole comes out when it is closed, as after a partition that heals in time.
        let _ = behaviours.wait_for(|now| !now.black_hole).await;
        write(to, piece).await?;
    }
    Ok(())
}

async fn write(to: &OwnedWriteHalf, mut data: &[u8]) -> std::io::Result<()> {
    while !data.is_empty() {
        to.writable().await?;
        match to.try_write(data) {
            Ok(n) => data = &data[n..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
