//! The servers under load, each a process of its own in a scratch folder on free ports of
//! loopback, with a certificate of the same kind. Nothing is tuned; what is set is set so that
//! many accounts of one machine may log in at all (docs/benchmarks.md).

mod certificate;
mod cubelet;
mod ejabberd;
mod prosody;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;

pub use cubelet::Ready;

use crate::stream::Target;

/// The password of all accounts.
const PASSWORD: &str = "bench-password";
/// For a server to listen.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Of /proc, a second; the same on every Linux of today.
const TICKS: f64 = 100.0;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ours.
    Cubelet,
    /// Debian's Prosody.
    Prosody,
    /// Debian's ejabberd.
    Ejabberd,
}

/// A running server; dropping it ends it.
pub struct Server {
    /// Where it is and who may log in.
    pub target: Target,
    /// What our hub says about itself.
    pub ready: Option<Ready>,
    child: Process,
    _folder: TempDir,
}

impl Kind {
    /// Its name in the figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cubelet => "cubelet",
            Self::Prosody => "Prosody 0.12",
            Self::Ejabberd => "ejabberd 23.01",
        }
    }

    /// Starts one with so many accounts.
    pub async fn start(self, accounts: usize) -> anyhow::Result<Server> {
        let starting = async {
            match self {
                Self::Cubelet => cubelet::start(accounts).await,
                Self::Prosody => prosody::start(accounts).await,
                Self::Ejabberd => ejabberd::start(accounts).await,
            }
        };
        starting.await.with_context(|| format!("{self:?}"))
    }
}

impl Server {
    /// Bytes of resident memory of the server's process.
    pub fn memory(&self) -> anyhow::Result<u64> {
        let file = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = std::fs::read_to_string(&file).with_context(|| file.clone())?;
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
        let kilobytes = line.and_then(|rest| rest.split_whitespace().next());
        Ok(kilobytes.context(file)?.parse::<u64>()? * 1024)
    }

    /// Seconds of processor time the server has taken so far: unlike what it delivers, it hardly
    /// depends on what else the machine does.
    pub fn processor_time(&self) -> anyhow::Result<f64> {
        processor_time(&self.child.id().to_string())
    }

    /// The process, for a profiler.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

/// Seconds of processor time a process has taken so far; `self` is this one.
pub fn processor_time(process: &str) -> anyhow::Result<f64> {
    let file = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&file).with_context(|| file.clone())?;
    // The program's name comes in parentheses before the fields, and may hold spaces.
    let (_, fields) = text.rsplit_once(')').context(file.clone())?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |place: usize| -> anyhow::Result<f64> {
        Ok(fields.get(place).context(file.clone())?.parse()?)
    };
    // proc(5): utime and stime are the 14th and 15th field; the first here is the third.
    Ok((ticks(11)? + ticks(12)?) / TICKS)
}

struct Process(Child);

impl Process {
    /// Starts a program that writes its log into the folder.
    fn start(command: &mut Command, folder: &Path) -> anyhow::Result<Self> {
        let log = std::fs::File::create(folder.join("stderr.log"))?;
        let child = command
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| command.get_program().to_string_lossy().into_owned())?;
        Ok(Self(child))
    }

    fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits until the server takes connections.
    async fn listens(&mut self, addresses: &[SocketAddr], folder: &Path) -> anyhow::Result<()> {
        let begin = Instant::now();
        for address in addresses {
            // These programs tell nobody when they are ready.
            while tokio::net::TcpStream::connect(address).await.is_err() {
                let end = self.0.try_wait()?;
                if end.is_some() || begin.elapsed() > START_LIMIT {
                    let log = std::fs::read_to_string(folder.join("stderr.log"));
                    bail!(
                        "does not listen on {address} ({end:?}): {}",
                        log.unwrap_or_default()
                    );
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Its data is scratch, so it need not be asked nicely.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A scratch folder on a disk: what is stored durably must cost what a disk costs.
fn scratch(name: &str) -> anyhow::Result<TempDir> {
    let folder = tempfile::Builder::new()
        .prefix(name)
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    Ok(folder)
}

/// Ports nobody listens on now.
fn free_addresses<const COUNT: usize>() -> anyhow::Result<[SocketAddr; COUNT]> {
    let listeners: Vec<_> = (0..COUNT)
        .map(|_| std::net::TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()?;
    let mut addresses = [SocketAddr::from(([127, 0, 0, 1], 0)); COUNT];
    for (address, listener) in addresses.iter_mut().zip(&listeners) {
        *address = listener.local_addr()?;
    }
    Ok(addresses)
}
